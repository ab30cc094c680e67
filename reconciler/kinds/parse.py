"""A raw body into a spec, or into all of its problems, none of which repeats a value that may be a secret."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from reconciler.errors import Path, Problem, Refused
from reconciler.kinds.foreign import meant_by
from reconciler.kinds.nearest import near, nearest
from reconciler.kinds.schema import fields_of, shown
from reconciler.kinds.wording import problem_of, shown_key, type_of
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.kind import Kind

if TYPE_CHECKING:
    from pydantic import ValidationError

    from reconciler.model.spec import Spec


def parse(kind: Kind, raw: Any, address: Address) -> Spec | tuple[Problem, ...]:
    """Return the spec of a raw body, or every problem with it; paths are relative to the body. Never raises."""
    variant = _variant(kind, raw)
    if isinstance(variant, Problem):
        typo = _typo(kind, raw)
        if typo is not None:
            key = str(kind.discriminator)
            rest = parse(kind, {key if one == typo else one: value for one, value in raw.items()}, address)
            message = f"unknown field `{shown_key(typo)}`"
            found = Problem("unknown-field", message, str(address), (typo,), hint=f"did you mean `{key}`?", on_key=True)
            return (found, *(rest if isinstance(rest, tuple) else ()))
        return (replace(variant, address=str(address)), *_likely(kind, raw, address))
    try:
        return variant.model_validate(raw)
    except RecursionError:
        return (Problem("too-deep", "this body is nested too deeply", str(address)),)
    except (ArithmeticError, ValueError, TypeError) as error:
        return _refused(kind, variant, raw, error, str(address))


def _refused(kind: Kind, variant: type[Spec], raw: Any, error: Exception, address: str) -> tuple[Problem, ...]:
    from pydantic import ValidationError  # imported by the first body that is wrong

    if isinstance(error, ValidationError):
        return _problems(kind, variant, raw, error, address)
    # numbers that no JSON has, such as a signalling NaN; the error's own text may repeat the value
    return (Problem("invalid-value", "this body holds a value that is not JSON", address),)


def _typo(kind: Kind, raw: Any) -> str | None:
    """Return the key that stands in the discriminator's place: one that no variant has, with a variant's name as its value."""
    key = kind.discriminator
    if key is None or not isinstance(raw, dict) or key in raw:
        return None
    for one, value in raw.items():
        variant = kind.variants.get(value) if isinstance(value, str) else None
        if isinstance(one, str) and variant is not None and one not in fields_of(variant):
            return one
    return None


def _likely(kind: Kind, raw: Any, address: Address) -> tuple[Problem, ...]:
    """Return the problems of the variant that was meant, so that a mistyped discriminator doesn't hide them."""
    key = kind.discriminator
    if key is None or not isinstance(raw, dict) or not isinstance(raw.get(key), str):
        return ()
    meant = nearest(raw[key], kind.variants)
    found = parse(kind, {**raw, key: meant}, address) if meant else ()
    return found if isinstance(found, tuple) else ()


def upgrade(kind: Kind, body: Body, spec_version: int) -> Body:
    """Return the body as the current ``spec_version`` writes it; refuses one that a newer reconciler wrote."""
    if spec_version > kind.spec_version:
        raise Refused(
            f"this {kind.name} was written by a newer reconciler (spec_version {spec_version}; "
            f"this one knows {kind.spec_version}); upgrade this one",
            code="newer-spec-version",
        )
    for version in range(spec_version, kind.spec_version):
        step = kind.upgrades.get(version)
        body = step(body) if step else body
    return body


def is_public(kind: Kind, raw: Any, path: Path) -> bool:
    """Whether the value at ``path`` of this raw body may be shown; False wherever the schema does not say so."""
    return shown(variants_of(kind, raw), raw, path)


def variants_of(kind: Kind, raw: Any) -> tuple[type[Spec], ...]:
    """Return the spec that a raw body is meant for; all of the kind's where it does not name one."""
    variant = _variant(kind, raw)
    return tuple(kind.variants.values()) if isinstance(variant, Problem) else (variant,)


def _variant(kind: Kind, raw: Any) -> type[Spec] | Problem:
    if not isinstance(raw, dict):
        return Problem("wrong-type", f"expected a map with the fields of this {kind.name}, found {type_of(raw)}")
    if kind.discriminator is None:
        return kind.variants[""]
    key = kind.discriminator
    value = raw.get(key)
    if isinstance(value, str):
        variant = kind.variants.get(value)
        if variant is not None:
            return variant
    expected = ", ".join(kind.variants)
    if value is None:
        missing = f"`{key}` is required: it says which {kind.name} this is, one of {expected}"
        return Problem("missing-field", missing, path=(key,), expected=expected)
    if not isinstance(value, str):
        return Problem("wrong-type", f"expected text, found {type_of(value)}", path=(key,), expected=expected)
    return Problem(
        "unknown-type",
        f"there is no {kind.name} of this `{key}`; expected one of {expected}",
        path=(key,),
        expected=expected,
        hint=meant_by(key, value) or near(value, kind.variants),
    )


def _problems(
    kind: Kind, variant: type[Spec], raw: dict[str, Any], error: ValidationError, address: str
) -> tuple[Problem, ...]:
    details = error.errors(include_input=False, include_url=False)
    problems = [problem_of(variant, raw, detail, address) for detail in details]
    unknown = {
        detail["loc"][0] for detail in details if detail["type"] == "extra_forbidden" and len(detail["loc"]) == 1
    }
    if len(unknown) == len(details):
        # rules about several fields run only once each field is right: a misspelt one should not hide them
        rest, meant = _corrected(variant, raw, unknown)
        again = parse(kind, rest, Address(*address.split("/")))
        if isinstance(again, tuple):
            # a misspelt field is one problem, whatever stands in it; and the field that was meant is not missing
            problems += [one for one in again if one.path[:1] not in {(name,) for name in meant}]
    return tuple(dict.fromkeys(problems))


def _corrected(variant: type[Spec], raw: dict[str, Any], unknown: Set[Any]) -> tuple[dict[str, Any], set[str]]:
    """Return the body with misspelt fields under the names that were meant, and these names."""
    known = fields_of(variant)
    rest = {key: value for key, value in raw.items() if key not in unknown}
    meant: set[str] = set()
    for key in raw:
        name = nearest(key, known) if key in unknown and isinstance(key, str) else None
        if name is not None and name not in rest:
            rest[name] = raw[key]
            meant.add(name)
    return rest, meant

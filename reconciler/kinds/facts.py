"""What the markers on fields declare, read once for each model: the risks of a change, and whether it clears an error."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cache
from re import Pattern
from typing import TYPE_CHECKING, Any

from reconciler.errors import Path
from reconciler.kinds.schema import Shape, below, fields_of, member_of
from reconciler.kinds.table import KINDS
from reconciler.model.body import Body, same
from reconciler.model.judges import host_of
from reconciler.model.kind import Kind
from reconciler.model.risk import ABSENT, BodyJudge, Risk
from reconciler.patterns import regex
from reconciler.remembered import remembered

if TYPE_CHECKING:
    from reconciler.model.spec import Spec


def field_risks(variant: type[Spec], before: Body, after: Body, *, replaced: bool = False) -> Iterator[str]:
    """Yield the risks that the fields of ``variant`` declare for what differs between two bodies.

    ``replaced`` compares bodies of two variants: fields that only one of them has say nothing of what either may do.
    """
    yield from _part(fields_of(variant), before, after, replaced)


def new_reach(variant: type[Spec], before: Body, after: Body, names: Container[str]) -> Iterator[str]:
    """Yield those risks of ``names`` that fields have which only the new type has: where it leads, what it starts."""
    for name, shape in fields_of(variant).items():
        if name not in before and after.get(name):
            yield from (risk.name for risk in shape.risks if risk.name in names and _found(risk, ABSENT, after[name]))


def starts_program(kind: Kind, body: Body) -> bool:
    """Whether what a body declares is a program that is started."""
    variant = kind.variants.get(str(body.get(kind.discriminator)) if kind.discriminator else "")
    return variant is not None and any(new_reach(variant, {}, body, {_PROGRAM}))


@remembered(4096)
def may_start(name: str, text: str) -> bool:
    """Whether a body of a kind may start a program: judged by its canonical JSON, so that most bodies are not parsed."""
    pattern = _variants_in(name)
    return any(_starts(name, variant) for variant in (pattern.findall(text) if pattern else ("",)))


@cache
def _variants_in(name: str) -> Pattern[str] | None:
    """Return what finds the variants that a body may be of; None for a kind that has but one."""
    kind = KINDS[name]
    return regex(f'"{kind.discriminator}":"({"|".join(kind.variants)})"') if kind.discriminator else None


@cache
def _starts(name: str, variant: str) -> bool:
    fields = KINDS[name].variants[variant].model_fields.values()
    return any(isinstance(one, Risk) and one.name == _PROGRAM for field in fields for one in field.metadata)


def hosts_in(kind: Kind, body: Body) -> frozenset[str]:
    """Return the hosts that a body names, or the options that may name one; not those that follow from a region or provider."""
    variant = kind.variants.get(str(body.get(kind.discriminator)) if kind.discriminator else "")
    return frozenset() if variant is None else frozenset(_hosts(Shape(part=variant), body))


def _hosts(shape: Shape, value: Any) -> Iterator[str]:
    shape = member_of(shape, value)
    if shape.part is not None and isinstance(value, Mapping):
        for name, one in fields_of(shape.part).items():
            if value.get(name):
                yield from _hosts(one, value[name])
    elif any(risk.name == _HOST for risk in shape.risks) and (shape.private or (shape.items and shape.items.private)):
        yield from (host_of(one) for one in (value if isinstance(value, list) else [value]))


@cache
def secret_kinds() -> frozenset[str]:
    """Return the kinds whose resources may refer to secrets."""
    return frozenset(
        name for name, kind in KINDS.items() if any(map(_holds_secrets, map(_whole, kind.variants.values())))
    )


def _whole(variant: type[Spec]) -> Shape:
    return Shape(part=variant)


def _holds_secrets(shape: Shape) -> bool:
    if shape.private and any(risk.name == _CREDENTIAL for risk in shape.risks):
        return True
    inner = (*shape.members.values(), *shape.either, *filter(None, (shape.values, shape.items)))
    return any(map(_holds_secrets, (*inner, *(fields_of(shape.part).values() if shape.part else ()))))


def body_risks(judge: BodyJudge, before: Body | None, after: Body | None) -> Iterable[str]:
    """Return what a judge of whole bodies finds; a body before that it can't read counts as none."""
    try:
        return [*judge.judge(before, after)]
    except _MALFORMED:
        return [*judge.judge(None, after)]


def healing_fields(kind: Kind) -> tuple[str, ...]:
    """Return the fields of a kind whose changes clear the status `error`, those of the first variant first."""
    fields = (field for variant in kind.variants.values() for field in fields_of(variant).items())
    return tuple(dict.fromkeys(name for name, shape in fields if shape.healing))


def heals(kind: Kind, path: Path) -> bool:
    """Whether a change at ``path`` of a body may have mended what a health check complained of."""
    shapes = [Shape(part=variant) for variant in kind.variants.values()]
    for step in path:
        shapes = [inner for shape in shapes for inner in below(shape, step)]
        if any(shape.healing for shape in shapes):
            return True
    return False


_PROGRAM, _HOST, _CREDENTIAL = "command-changed", "endpoint-host-changed", "credential-changed"
_MALFORMED = (ArithmeticError, AttributeError, KeyError, TypeError, ValueError)
"""What a judge raises for a value that is none of its field: somebody wrote it into the database."""


def _judged(shape: Shape, before: Any, after: Any, replaced: bool) -> Iterator[str]:
    # equal values carry no risk, and most are equal
    if same(before, after):
        return
    for risk in shape.risks:
        if _found(risk, before, after):
            yield risk.name
    if not shape.optional or (before is not ABSENT and after is not ABSENT):
        yield from _below(shape, before, after, replaced)


def _below(shape: Shape, before: Any, after: Any, replaced: bool) -> Iterator[str]:
    """Yield what stands in a map or a union; entries of a map by name, and items of a list, are judged with the whole if they are new."""
    if shape.members:
        old, new = member_of(shape, before), member_of(shape, after)
        if replaced or old is new or old is shape:
            yield from _judged(new, before, after, replaced) if new is not shape else ()
        else:  # another form has other fields: each is gone, or new
            yield from _judged(old, before, ABSENT, replaced)
            yield from _judged(new, ABSENT, after, replaced)
    elif shape.part is not None:
        yield from _part(fields_of(shape.part), _map(before), _map(after), replaced)
    elif shape.values is not None:
        entries = _map(before), _map(after)
        for key in sorted(entries[0].keys() & entries[1].keys()):
            yield from _judged(shape.values, entries[0][key], entries[1][key], replaced)


def _part(
    fields: Mapping[str, Shape], before: Mapping[str, Any], after: Mapping[str, Any], replaced: bool
) -> Iterator[str]:
    for name, shape in fields.items():
        if not replaced or (name in before and name in after):
            yield from _judged(shape, before.get(name, ABSENT), after.get(name, ABSENT), replaced)


def _found(risk: Risk, before: Any, after: Any) -> bool:
    try:
        return risk.by(before, after)
    except _MALFORMED:
        return risk.by(ABSENT, after)


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

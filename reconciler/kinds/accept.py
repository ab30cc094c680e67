"""Turn a raw body into its normal form or its problems; equal bodies, which tenants mostly share, only once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.errors import Path, Problem
from reconciler.kinds.mask import holds_mask
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body, canonical, digest_of_text
from reconciler.model.kind import Kind
from reconciler.remembered import LARGEST

if TYPE_CHECKING:
    from reconciler.model.spec import Spec

MOST = 4096
"""Bodies that are remembered: tenants that are alike come one after the other, so a few are enough."""


class Accepted(NamedTuple):
    """The normal form, as canonical JSON and as values (never change them in place), and which paths the author wrote."""

    text: str
    body: Body
    digest: str
    explicit: frozenset[Path]


class NormalForm(NamedTuple):
    """A valid body as its spec writes it; ``text`` is canonical JSON."""

    spec: Spec
    body: Body
    text: str


class BodyText(str):
    """A raw body as text, equal for equal bodies; the body comes along, so that it is not parsed again."""

    __slots__ = ("raw",)
    raw: Any


def written(raw: Any) -> BodyText | None:
    """Return the body as text, None where that is too long to be remembered. Tells 1 from true, "1" and Decimal(1)."""
    try:
        text = BodyText(repr(raw))
    except (RecursionError, ValueError):  # ValueError: an integer of thousands of digits
        return None
    text.raw = raw
    return text if len(text) <= LARGEST else None


def accept(kind: Kind, raw: Any, address: Address, text: BodyText | None = None) -> Accepted | tuple[Problem, ...]:
    """Return the normal form of a raw body or its problems; never raise.

    ``raw`` is made of what a YAML or JSON file can hold. ``text`` is what ``written`` makes of it, where others may be equal:
    then it is validated once.
    """
    if text is not None and (known := _accepted(kind.name, text)) is not None:
        return known
    found = normal_form(kind, raw, address)
    return _whole(found) if isinstance(found, NormalForm) else found


@lru_cache(maxsize=MOST)
def _accepted(kind: str, text: BodyText) -> Accepted | None:
    """Return None for a body with problems: these name an address."""
    found = normal_form(KINDS[kind], text.raw, Address("", kind, ""))
    return _whole(found) if isinstance(found, NormalForm) else None


def _whole(form: NormalForm) -> Accepted:
    from reconciler.model.spec import explicit_paths

    return Accepted(form.text, form.body, digest_of_text(form.text), explicit_paths(form.spec))


def normal_form(kind: Kind, raw: Any, address: Address) -> NormalForm | tuple[Problem, ...]:
    """Validate a body anew; return its normal form or its problems, and never raise."""
    spec = parse(kind, raw, address)
    if isinstance(spec, tuple):
        return spec
    body = spec.normalised()
    text = canonical(body)
    if holds_mask(text):
        hint = "write the value itself, or a reference to a secret"
        return (
            Problem(
                "masked-value", "a value here is only the mask of one that may not be shown", str(address), hint=hint
            ),
        )
    return NormalForm(spec, body, text)

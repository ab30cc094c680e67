"""A raw body turned into its normal form, or into its problems; equal bodies, which tenants mostly share, only once."""

from __future__ import annotations

from typing import Any, NamedTuple

from reconciler.errors import Path, Problem
from reconciler.kinds.mask import holds_mask
from reconciler.kinds.parse import parse
from reconciler.model.address import Address
from reconciler.model.body import Body, canonical, digest_of_text
from reconciler.model.kind import Kind
from reconciler.model.spec import Spec, explicit_paths
from reconciler.remembered import LARGEST

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


_known: dict[tuple[str, str], Accepted] = {}
_seen: dict[int, tuple[Any, Kind, Accepted]] = {}


def accept(kind: Kind, raw: Any, address: Address) -> Accepted | tuple[Problem, ...]:
    """``raw`` is made of what a YAML or JSON file can hold. Never raises, as ``parse``."""
    before = _seen.get(id(raw))  # what was read once is one object
    if before is not None and before[0] is raw and before[1] is kind:
        return before[2]
    found = _by_value(kind, raw, address)
    if isinstance(found, Accepted) and len(found.text) <= LARGEST:
        if len(_seen) >= MOST:
            _seen.clear()
        _seen[id(raw)] = raw, kind, found
    return found


def _by_value(kind: Kind, raw: Any, address: Address) -> Accepted | tuple[Problem, ...]:
    try:
        # tells 1 from true and from "1", and a decimal from its text
        key = kind.name, repr(raw)
    except (RecursionError, ValueError):  # ValueError: an integer of thousands of digits
        return _accepted(kind, raw, address)
    found = _known.get(key)
    if found is not None:
        return found
    made = _accepted(kind, raw, address)
    if isinstance(made, Accepted) and len(key[1]) <= LARGEST:
        if len(_known) >= MOST:
            _known.clear()
        _known[key] = made
    return made


def _accepted(kind: Kind, raw: Any, address: Address) -> Accepted | tuple[Problem, ...]:
    found = normal_form(kind, raw, address)
    if not isinstance(found, NormalForm):
        return found
    spec, body, text = found
    return Accepted(text, body, digest_of_text(text), frozenset(explicit_paths(spec)))


def normal_form(kind: Kind, raw: Any, address: Address) -> NormalForm | tuple[Problem, ...]:
    """What ``accept`` goes by, each time anew: for who needs no more of it. Never raises."""
    spec = parse(kind, raw, address)
    if not isinstance(spec, Spec):
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

"""A body turned into what it refers to; bodies that are alike are looked through once."""

from __future__ import annotations

from functools import cache

import orjson

from reconciler.kinds.table import KINDS
from reconciler.remembered import remembered


@cache
def carrying() -> frozenset[str]:
    """Return the kinds that calls go through: those that can be called, and all that they refer to."""
    found: set[str] = set()
    left = [kind.name for kind in KINDS.values() if kind.calls is not None]
    while left:
        kind = left.pop()
        if kind not in found:
            found.add(kind)
            left += [reference.kind for reference in KINDS[kind].references if reference.kind is not None]
    return frozenset(found)


@remembered(4096)
def targets_of(kind: str, text: str) -> tuple[str, ...]:
    """``kind/name`` of each resource, in the same tenant, that a body of canonical JSON names."""
    body = orjson.loads(text)
    references = KINDS[kind].references_of("", body) if kind in KINDS and isinstance(body, dict) else ()
    return tuple(f"{reference.address.kind}/{reference.address.name}" for reference in references)

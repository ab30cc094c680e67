"""A body turned into what it refers to; bodies that are alike are looked through once."""

from __future__ import annotations

import orjson

from reconciler.kinds.table import KINDS
from reconciler.remembered import remembered


@remembered(4096)
def targets_of(kind: str, text: str) -> tuple[str, ...]:
    """``kind/name`` of each resource, in the same tenant, that a body of canonical JSON names."""
    body = orjson.loads(text)
    references = KINDS[kind].references_of("", body) if kind in KINDS and isinstance(body, dict) else ()
    return tuple(f"{reference.address.kind}/{reference.address.name}" for reference in references)

"""Calls inside of a call: what a decided call hands on, so that another one is made for the same caller and by its right."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, Protocol

from reconciler.access.decide import Decision
from reconciler.access.judge import Caller
from reconciler.access.snapshot import Tenant
from reconciler.access.target import Target
from reconciler.runtime.call import Embed, EmbeddedText
from reconciler.runtime.source import InForce


class Outer(NamedTuple):
    """The call that makes another one: ``evidence_id`` is its evidence, ``decision`` the one that allowed it."""

    evidence_id: str
    in_force: InForce
    tenant: Tenant
    caller: Caller
    decision: Decision


class Embeddings(Protocol):
    """Makes the calls of models inside of calls."""

    async def vector(self, outer: Outer, wanted: EmbeddedText, deadline: float) -> Sequence[float]:
        """Return the vector of a text. Raises Failed."""
        ...


def embed_of(embeddings: Embeddings | None, target: Target, outer: Outer) -> Embed | None:
    """Return what turns texts into vectors for a call; None where its target asks for none, or nobody can."""
    return partial(embeddings.vector, outer) if embeddings is not None and target.asks else None

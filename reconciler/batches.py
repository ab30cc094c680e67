"""Do work on many items in batches, by a ``map`` that the caller passes: the built-in one, or one that starts processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

K = TypeVar("K")
V = TypeVar("V")
BATCH = 200
MANY = 5_000
"""Items; below that, processes of their own cost more time than they save."""


class Map(Protocol):
    """Is called like ``map`` with one sequence; results come in its order, each as soon as it is there."""

    def __call__(self, work: Callable[[K], V], items: Sequence[K], /) -> Iterable[V]: ...


def in_batches(work: Callable[[Sequence[K]], V], items: Sequence[K], mapper: Map) -> Iterable[V]:
    """Return the results of ``work`` for each batch of the items, in their order; few items are done by this process."""
    batches = [items[at : at + BATCH] for at in range(0, len(items), BATCH)]
    return mapper(work, batches) if len(items) >= MANY else map(work, batches)

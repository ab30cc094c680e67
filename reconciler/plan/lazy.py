"""Convert a plan into its document lazily: each change is made when it is asked for, and none is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

from reconciler.model.plan import Plan
from reconciler.plan.convert import change_document, digests_of, envelope_of
from reconciler.plan.text import CHANGES

K = TypeVar("K")
V = TypeVar("V")


class Mapped(Sequence[V]):
    """The results of ``work`` for each item, computed anew each time that one is asked for."""

    def __init__(self, items: Sequence[K], work: Callable[[K], V]) -> None:
        self._items: Sequence[Any] = items
        self._work: Callable[[Any], V] = work

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> V: ...

    @overload
    def __getitem__(self, index: slice) -> Mapped[V]: ...

    def __getitem__(self, index: int | slice) -> V | Mapped[V]:
        found = self._items[index]
        return Mapped(found, self._work) if isinstance(index, slice) else self._work(found)


def document_of(plan: Plan) -> dict[str, Any]:
    """Return what ``convert.to_document`` does, in the memory that one change takes. It can be read, not dumped."""
    return {**envelope_of(plan, digests_of(plan)), CHANGES: Mapped(plan.changes, change_document)}

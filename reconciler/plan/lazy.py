"""A plan into its document, whose changes are made one by one, whenever somebody asks for one: none of them is kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

from reconciler.model.plan import Plan
from reconciler.plan.convert import change_document
from reconciler.plan.digests import CHANGES
from reconciler.plan.stream import envelope_of, write

K = TypeVar("K")
V = TypeVar("V")


class Mapped(Sequence[V]):
    """What ``work`` makes of each item, made anew each time that it is asked for."""

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
    """What ``convert.to_document`` gives, in the memory that one change takes. It can be read, not dumped."""
    with open(os.devnull, "wb") as nowhere:
        content, sources = write(plan, nowhere, None).digests
    changes = Mapped(plan.changes, change_document)
    return {**envelope_of(plan), CHANGES: changes, "digest": content, "sources_digest": sources}

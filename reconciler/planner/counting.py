"""What a plan or a look for drift was about, and how much of each sort it leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.model.address import Address
from reconciler.model.plan import LeftOut, Selection

NAMED = 20
"""Addresses that are named of each sort; the others are counted."""


def described(selection: Selection) -> tuple[str, ...]:
    """Return what was selected, in words; empty where it was everything."""
    paths = () if selection.paths is None else ("the given paths",)
    return (*paths, *(f"tenant {tenant}" for tenant in sorted(selection.tenants)), *map(str, sorted(selection.targets)))


def counted(why: str, addresses: Iterable[Address], count: int | None = None) -> Iterator[LeftOut]:
    """Return nothing for no address."""
    known = sorted(addresses)
    if known or count:
        yield LeftOut(why, len(known) if count is None else count, (*known[:NAMED],))

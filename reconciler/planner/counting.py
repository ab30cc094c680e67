"""What a plan or a look for drift was about, and how much of each sort it leaves out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from shlex import quote

from reconciler.model.address import Address
from reconciler.model.plan import LeftOut, Selection

NAMED = 20
"""Addresses that are named of each sort; the others are counted."""


def described(selection: Selection) -> tuple[str, ...]:
    """Return what was selected, in words; empty where it was everything."""
    paths = () if selection.paths is None else ("the given paths",)
    tenants = (f"tenant {tenant}" for tenant in sorted(selection.tenants))
    without = (f"without {pattern}" for pattern in selection.excluded)
    return (*paths, *tenants, *map(str, sorted(selection.targets)), *without)


def to_select(selection: Selection, addresses: Collection[Address]) -> str:
    """Return what to type, so that these are selected too."""
    left_out = [address for address in addresses if selection.excludes(address)]
    patterns = [one for one in selection.excluded if any(fnmatchcase(str(address), one) for address in left_out)]
    others = [address for address in addresses if address not in left_out]
    hints = [f"leave out {' '.join(f'--exclude {quote(pattern)}' for pattern in patterns)}"] if patterns else []
    if others:
        targets = " ".join(f"--target {address}" for address in others)
        hints.append(f"select both: add {targets}, or the files where files were named")
    return ", and ".join(hints)


def counted(why: str, addresses: Iterable[Address], count: int | None = None) -> Iterator[LeftOut]:
    """Return nothing for no address."""
    known = sorted(addresses)
    if known or count:
        yield LeftOut(why, len(known) if count is None else count, (*known[:NAMED],))

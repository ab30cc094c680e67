"""What this command has written so far: the one fact that decides what it may say when it ends early."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from uuid import uuid4

from msgspec import Struct, field


class Fate(Enum):
    """What is known of a write."""

    NOT_WRITTEN = "not written"
    UNKNOWN = "unknown"
    WRITTEN = "written"


class Write(Struct):
    """One write, all of it or nothing: a transaction or a file.

    ``id`` stands in the audit trail's entry of a transaction; a file has none. ``fate`` is ``UNKNOWN`` from the moment at
    which COMMIT is sent until the database answers.
    """

    what: str
    id: str | None = field(default_factory=lambda: str(uuid4()))
    fate: Fate = Fate.NOT_WRITTEN

    def __str__(self) -> str:
        return f"{self.what} {self.id}" if self.id else self.what


_WRITES: ContextVar[list[Write] | None] = ContextVar("writes", default=None)


@contextmanager
def recording() -> Iterator[list[Write]]:
    """Yield the list to which every write that begins inside of the block is appended."""
    writes: list[Write] = []
    token = _WRITES.set(writes)
    try:
        yield writes
    finally:
        _WRITES.reset(token)


def record(write: Write) -> Write:
    """Append ``write`` to the record of the command that runs, if one does; return it."""
    writes = _WRITES.get()
    if writes is not None:
        writes.append(write)
    return write


def written(what: str) -> None:
    """Record a file that is in its place."""
    record(Write(what, None, Fate.WRITTEN))


def fate_of(writes: Sequence[Write]) -> Fate:
    """Return ``UNKNOWN`` if any write is, else ``WRITTEN`` if any write is."""
    fates = {write.fate for write in writes}
    return next((fate for fate in (Fate.UNKNOWN, Fate.WRITTEN) if fate in fates), Fate.NOT_WRITTEN)


def ending(writes: Sequence[Write]) -> str:
    """Return the sentence about ``writes`` with which a command ends that was cut short."""
    fate = fate_of(writes)
    if fate is Fate.NOT_WRITTEN:
        return "nothing was written."
    found = [write for write in writes if write.fate is fate]
    if fate is Fate.UNKNOWN:
        look_up = f": look it up with `reconciler audit show {found[-1].id}`" if found[-1].id else ""
        return f"whether this was written is not known: {found[-1]}{look_up}."
    if len(found) == 1:
        return f"it was written before that: {found[0]}."
    return f"{len(found)} changes were written before that, the last: {found[-1]}."

"""Entries of the audit trail as values."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One entry; ``body`` is canonical JSON, exactly as it was hashed."""

    seq: int
    body: str
    key_id: str | None
    hash: str


class Head(NamedTuple):
    """The newest entry's number and hash; (0, 64 zeros) for an empty trail."""

    seq: int
    hash: str

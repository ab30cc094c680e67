"""Entries of the audit trail as values."""

from typing import NamedTuple, TypeAlias


class TrailKey(NamedTuple):
    """A key of the trail that is kept in the database; ``wrapped`` by another key until it is there, "" from then on."""

    id: str
    key: bytes
    wrapped_by: str = ""
    wrapped: bytes = b""


AuditKey: TypeAlias = tuple[str, bytes] | TrailKey | None
"""The id of a key, and the key."""


class Actor(NamedTuple):
    """Who does something, and the key that the audit trail's entry of it is made with."""

    name: str
    key: AuditKey = None


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

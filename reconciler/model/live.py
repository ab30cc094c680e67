"""Live state as it was read: rows, what was last applied, and who owns what."""

from __future__ import annotations

from collections.abc import Mapping, Set
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import orjson
from msgspec import Struct, field

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.model.binding import Replaced
from reconciler.model.plan import Touch

K = TypeVar("K")
V = TypeVar("V")


def frozen(mapping: Mapping[K, V] | None = None) -> Mapping[K, V]:
    """Copy a map into one that can't be changed."""
    return MappingProxyType(dict(mapping or {}))


UNKNOWN = Touch()
ADOPTED = "adopted"
"""Begins a path of ``Applied.explicit`` that names a project from which the row was taken over."""


class DatabaseState(Enum):
    """What a database is before anything is done with it."""

    MISSING = "missing"
    EMPTY = "empty"
    FOREIGN = "foreign"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


class Row(Struct, frozen=True, dict=True):
    """One row of live state; ``kinds.meaning`` says what its text means, and what of it may be shown.

    ``witness`` is the hash of the text as the database keeps it. ``mask_key`` keys the fingerprints of what is masked.
    """

    address: Address
    uid: str
    text: str
    spec_version: int
    row_version: int
    project: str | None = None
    witness: str | None = None
    touch: Touch = UNKNOWN
    mask_key: bytes = b""

    @cached_property
    def raw(self) -> Any:
        """The body as stored, of whatever version; somebody may have written anything there."""
        return orjson.loads(self.text)


class Applied(Struct, frozen=True, dict=True):
    """What this tool last wrote for an address; ownership and drift are judged by it.

    ``witness`` is that of the row as it was then; None where it is not known. ``forged``: a key is known, and the record's MAC
    does not fit.
    """

    address: Address
    uid: str
    text: str
    spec_version: int
    digest: str
    generation: int
    explicit: frozenset[Path] = frozenset()
    moved_from: str | None = None
    source: str | None = None
    witness: str | None = None
    mask_key: bytes = b""
    forged: bool = False

    @cached_property
    def raw(self) -> Any:
        return orjson.loads(self.text)


class Owner(NamedTuple):
    """Another project's claim to an address; ``former`` are those that it was taken over from, by an `adopt` entry."""

    project: str
    uid: str
    former: frozenset[str] = frozenset()


def owns(address: Address, rows: Mapping[Address, Row], applied: Mapping[Address, Applied]) -> bool:
    """Whether a project applied the very row that is live: the address alone proves nothing."""
    row, known = rows.get(address), applied.get(address)
    return row is not None and known is not None and row.uid == known.uid


def owner_of(address: Address, rows: Mapping[Address, Row], owners: Mapping[Address, Owner]) -> str | None:
    """Return the other project that owns the live row, if one does."""
    row, owner = rows.get(address), owners.get(address)
    return owner.project if row and owner and owner.uid == row.uid else None


class ProjectRow(Struct, frozen=True):
    """The project's row: the lock, the lineage (a UUID), the environment, the generation (0: nothing applied)."""

    name: str
    lineage: str
    environment: str | None
    generation: int
    commit: str | None = None
    apply_id: str | None = None
    """The apply that made this generation; None before the first one, and where only the lock was read."""


class Live(Struct, frozen=True):
    """One consistent reading of the database, for the tenants that a plan is about."""

    state: DatabaseState
    project: ProjectRow | None = None
    rows: Mapping[Address, Row] = field(default_factory=frozen)
    applied: Mapping[Address, Applied] = field(default_factory=frozen)
    owners: Mapping[Address, Owner] = field(default_factory=frozen)
    deletions: Mapping[Address, Touch] = field(default_factory=frozen)
    settled: Set[str] = frozenset()
    """Addresses as text of what is live, ours, as it was applied and as it is wanted: not in ``rows`` nor in ``applied``."""
    replaced: Replaced = field(default_factory=frozen)

    def holds(self, address: Address) -> bool:
        """Whether anything is live at this address."""
        return address in self.rows or str(address) in self.settled

    def owns(self, address: Address) -> bool:
        """Whether the row at this address is this project's."""
        if self.settled and str(address) in self.settled:
            return True
        return owns(address, self.rows, self.applied)

    def owner(self, address: Address) -> str | None:
        """Return the other project that owns the live row, if one does."""
        return owner_of(address, self.rows, self.owners)

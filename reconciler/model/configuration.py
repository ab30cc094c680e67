"""What a project wants, whole: its resources and the rules that planning follows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fnmatch import fnmatchcase

from msgspec import Struct

from reconciler.errors import Path, Place
from reconciler.model.address import Address
from reconciler.model.body import digest, dotted
from reconciler.model.resource import IndexedState, State


class Listed(Struct, frozen=True, eq=False):
    """One item of a list beside the resources; two are equal wherever they are written, whatever their ``source``."""

    def _said(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__struct_fields__ if name != "source")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Listed) and type(other) is type(self) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash(self._said())


class Move(Listed, frozen=True, eq=False):
    """``moved``: the resource keeps its uid under another name."""

    old: Address
    new: Address
    source: Place | None = None


class Removal(Listed, frozen=True, eq=False):
    """``removed``: with ``destroy`` false the row stays, owned by nobody."""

    address: Address
    destroy: bool
    source: Place | None = None


class Adoption(Listed, frozen=True, eq=False):
    """``adopt``: take over a resource that nobody owns, or that ``from_project`` does."""

    address: Address
    from_project: str | None
    source: Place | None = None
    again: bool = False
    """Also from a project that took it over itself: said by hand, and never by an entry that stays in git."""


class Ignore(Struct, frozen=True):
    """Fields that the reconciler leaves to others: an address pattern, a field pattern, a reason, an end."""

    address: str
    field: str
    reason: str
    until: date | None = None

    def covers(self, address: Address, path: Path, today: date) -> bool:
        """Whether the field at ``path``, or one above it, is left alone on this day."""
        if self.until is not None and today > self.until:
            return False
        if not fnmatchcase(str(address), self.address):
            return False
        return any(fnmatchcase(dotted(path[: i + 1]), self.field) for i in range(len(path)))


class Guards(Struct, frozen=True):
    """What an apply is refused for, unless its flag is given."""

    max_deletes: int | None = None
    max_delete_percent: int = 30
    overwrite_outside: bool = False
    refuse: frozenset[str] = frozenset()
    """Names of risks."""


class Retention(Struct, frozen=True):
    """How much of history stays whole: so many generations, or so many days, whichever keeps more; None: no limit."""

    generations: int | None = None
    days: int | None = None


class Configuration(Struct, frozen=True):
    """Everything that the files say for one environment."""

    project: str
    environment: str | None
    resources: State
    moves: tuple[Move, ...] = ()
    removals: tuple[Removal, ...] = ()
    adoptions: tuple[Adoption, ...] = ()
    external: frozenset[str] = frozenset()
    ignore: tuple[Ignore, ...] = ()
    guards: Guards = Guards()
    files: tuple[str, ...] = ()

    @property
    def digests(self) -> Mapping[str, str]:
        """The digest of every resource, by its address as text."""
        if isinstance(self.resources, IndexedState):
            return self.resources.digests
        return {str(address): one.digest for address, one in self.resources.items()}

    @property
    def digest(self) -> str:
        """Depends on what is wanted only: not on files, their order, or how the text is written."""
        return digest(
            {
                "resources": self.digests,
                "moved": sorted([str(m.old), str(m.new)] for m in self.moves),
                "removed": sorted([str(r.address), r.destroy] for r in self.removals),
                "adopt": sorted([str(a.address), a.from_project or ""] for a in self.adoptions),
            }
        )

    def is_external(self, address: Address) -> bool:
        """Whether another project is said to own it: ``kind/name`` for every tenant, or a pattern of addresses."""
        short = f"{address.kind}/{address.name}"
        return any(fnmatchcase(short if p.count("/") == 1 else str(address), p) for p in self.external)

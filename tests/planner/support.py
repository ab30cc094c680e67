"""Live state and wishes in memory: what the tests of the planner share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from hypothesis import settings
from msgspec.structs import replace

from reconciler.errors import Path
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body, canonical, digest
from reconciler.model.configuration import Adoption, Configuration, Ignore, Move, Removal
from reconciler.model.live import Applied, DatabaseState, Live, Owner, ProjectRow, Row
from reconciler.model.plan import Cause, Change, Plan, Selection, Touch
from reconciler.model.resource import Resource, resource_of
from reconciler.model.spec import Spec
from reconciler.planner.make import EVERYTHING, Setting, make_plan

STABLE = settings(deadline=None, derandomize=True, max_examples=200)
TODAY = date(2026, 3, 1)
REF = "vault://kv/acme/thing#key"
SQL: Body = {"type": "sql", "dialect": "postgresql", "dsn": REF}
HTTP: Body = {"type": "http", "base_url": "https://api.example.com"}
CUSTOM: Body = {"type": "custom"}
SOMEBODY = Touch("bob", "2026-02-28T01:00:00Z")


def at(text: str) -> Address:
    """``connector/a`` of the tenant acme, or a whole address."""
    return Address.parse(text if text.count("/") == 2 else f"acme/{text}")


def resource(entry: str, raw: Body) -> Resource:
    spec = parse(KINDS[at(entry).kind], raw, at(entry))
    assert isinstance(spec, Spec), spec
    return resource_of(at(entry), spec)


def body(entry: str, raw: Body) -> Body:
    return resource(entry, raw).body


def wish(
    bodies: Mapping[str, Body],
    *,
    moved: Iterable[tuple[str, str]] = (),
    let_go: Iterable[str] = (),
    adopt: Mapping[str, str | None] | None = None,
    external: Iterable[str] = (),
    ignore: Iterable[Ignore] = (),
) -> Configuration:
    """What the project shop wants."""
    return Configuration(
        "shop",
        None,
        {at(entry): resource(entry, raw) for entry, raw in bodies.items()},
        moves=tuple(Move(at(old), at(new)) for old, new in moved),
        removals=tuple(Removal(at(entry), destroy=False) for entry in let_go),
        adoptions=tuple(Adoption(at(entry), owner) for entry, owner in (adopt or {}).items()),
        external=frozenset(external),
        ignore=tuple(ignore),
    )


def ignoring(field: str, address: str = "*", until: date | None = None) -> Ignore:
    return Ignore(address, field, "others manage it", until)


class World:
    """A database in memory; ``shop`` is the project that plans."""

    def __init__(self) -> None:
        self.rows: dict[Address, Row] = {}
        self.applied: dict[Address, Applied] = {}
        self.owners: dict[Address, Owner] = {}
        self.deletions: dict[Address, Touch] = {}
        self._version = 0
        self.settled: frozenset[str] = frozenset()
        self._generation = 1

    def later(self) -> World:
        """What follows was applied by a later generation."""
        self._generation += 1
        return self

    def row(self, entry: str, raw: Any, uid: str = "", *, spec_version: int = 1, vouched: bool = False) -> World:
        """Live, and nobody's."""
        self._version += 1
        text = raw if isinstance(raw, str) else canonical(raw)
        self.rows[at(entry)] = Row(
            at(entry),
            uid or f"uid-{self._version}",
            text,
            spec_version,
            self._version,
            witness=digest(raw) if vouched else None,
            touch=SOMEBODY,
        )
        return self

    def ours(
        self,
        entry: str,
        raw: Body,
        *,
        explicit: Iterable[Path] | None = None,
        moved_from: str | None = None,
        uid: str = "",
    ) -> World:
        """Applied by us as it is written, and live."""
        made = resource(entry, raw)
        self.row(entry, made.body, uid, vouched=True)
        written = made.explicit if explicit is None else frozenset(explicit)
        came_from = str(at(moved_from)) if moved_from else None
        self.applied[at(entry)] = Applied(
            at(entry),
            self.rows[at(entry)].uid,
            canonical(made.body),
            1,
            made.digest,
            self._generation,
            written,
            came_from,
            witness=made.digest,
        )
        return self

    def theirs(self, entry: str, raw: Body, project: str = "other") -> World:
        """Applied by another project, and live."""
        self.row(entry, body(entry, raw), vouched=True)
        self.owners[at(entry)] = Owner(project, self.rows[at(entry)].uid)
        return self

    def edit(self, entry: str, **fields: Any) -> World:
        """Somebody changes fields by plain SQL."""
        return self.put(entry, {**self.rows[at(entry)].raw, **fields})

    def put(self, entry: str, raw: Any) -> World:
        """Somebody writes another body by plain SQL."""
        return self.row(entry, raw, self.rows[at(entry)].uid)

    def drop(self, entry: str) -> World:
        """Somebody deletes the row by plain SQL."""
        del self.rows[at(entry)]
        self.deletions[at(entry)] = SOMEBODY
        return self

    def rename(self, entry: str, to: str) -> World:
        """Somebody renames the row by plain SQL."""
        self.rows[at(to)] = replace(self.rows.pop(at(entry)), address=at(to))
        return self

    @property
    def live(self) -> Live:
        project = ProjectRow("shop", "lineage", None, 1)
        return Live(DatabaseState.CURRENT, project, self.rows, self.applied, self.owners, self.deletions, self.settled)


def plan(configuration: Configuration, world: World, selection: Selection = EVERYTHING) -> Plan:
    return make_plan(configuration, world.live, Setting("a database", TODAY, "1.0"), selection)


def told(made: Plan) -> dict[str, str]:
    """Actions by kind/name."""
    return {f"{c.address.kind}/{c.address.name}": c.action.value for c in made.changes}


def change(made: Plan, entry: str) -> Change:
    return next(c for c in made.changes if c.address == at(entry))


def causes(one: Change) -> dict[str, Cause]:
    """The cause of every field that changes."""
    return {".".join(map(str, field.path)): field.cause for field in one.fields}

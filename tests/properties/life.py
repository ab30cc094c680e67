"""A database's whole life: what `story` has, and drift, ownership by command, and a memory of every generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from reconciler.cli.adopt import _as_it_is
from reconciler.drift.find import find_drift
from reconciler.errors import ConfigurationInvalid
from reconciler.model.address import Address
from reconciler.model.configuration import Adoption, Configuration, Removal
from reconciler.model.plan import Plan, Selection
from reconciler.planner.make import make_plan
from reconciler.store.history import read_let_go
from reconciler.store.reading import read_live

from . import reference
from .arena import SETTING, Arena, Dump
from .bodies import Body, Pick
from .reference import Key, Record, Row, Wish
from .story import TENANT, Story, Want, _tell, normalise
from .strategies import TODAY
from .wishes import KINDS, Short, _body, following, opening

SHOP, OTHER = "shop", "other"


class Saved(NamedTuple):
    """A plan in a file, what was expected of it, and the database as it was then."""

    path: Path
    expected: reference.Result
    rows: dict[Key, Row]
    dump: Dump


class Life(Story):
    """``snapshots[n]`` is what `shop` managed after its generation n; ``touched[n]`` which names that one was about."""

    def __init__(self, arena: Arena, folder: Path, pick: Pick) -> None:
        super().__init__(arena, folder)
        self.snapshots: list[dict[Key, Record]] = [{}]
        self.touched: list[frozenset[Key]] = [frozenset()]
        self.first: dict[str, str] = {}  # how each uid came to `shop`
        self.let_go_of: set[str] = set()
        self.saved: Saved | None = None
        self.want, self.external = opening(pick, self)

    # --- every apply of `shop` adds to what can be gone back to

    def compare(
        self, project: str, rows: dict[Key, Row], before: Dump, after: Dump, expected: reference.Result
    ) -> None:
        earlier = self.records
        super().compare(project, rows, before, after, expected)
        self._remember(project, rows, earlier, expected.actions)
        if project != SHOP or not expected.actions:
            return
        self._snapshot()
        self.touched.append(frozenset(expected.actions) | expected.left)

    def _snapshot(self) -> None:
        """A life that we know under two names, since somebody renamed it and we took it over, is only at the later one."""
        mine, rows = self.records[SHOP], self.rows()
        uids = [record.uid for record in mine.values()]
        self.snapshots.append({
            key: record
            for key, record in mine.items()
            if uids.count(record.uid) == 1 or reference.owned_by(SHOP, key, rows, self.records)
        })  # fmt: skip

    def _remember(
        self, project: str, rows: dict[Key, Row], earlier: dict[str, dict[Key, Record]], actions: dict[Key, str]
    ) -> None:
        """What became of lives: which were let go of, and how each one came to us."""
        for key, action in actions.items():
            if action == "forget" and reference.owned_by(project, key, rows, earlier):
                self.let_go_of.add(rows[key].uid)
            if project == SHOP and key in self.records[SHOP]:
                self.first.setdefault(self.records[SHOP][key].uid, action.removeprefix("delete+"))

    def load(self, project: str, want: Want, external: set[Short]) -> Configuration | None:
        """What was brought back, or taken over, need not fit to what is wanted else."""
        try:
            return super().load(project, want, external)
        except ConfigurationInvalid:
            return None

    def _expected(self, wish: Wish, rows: dict[Key, Row], past: reference.Past | None = None) -> reference.Result:
        return reference.apply(wish, rows, self.records, normalise, past)

    # --- what people do with the tool

    def edits(self, pick: Pick) -> tuple[Want, set[Short]]:
        want = following(pick, self.want, self.external)
        return want, external_of(want, self.external)

    def applies(self, want: Want, external: set[Short]) -> None:
        if not self.apply(SHOP, want, external).refused:
            self.want = want

    def other_edits(self, pick: Pick) -> None:
        """The other project wants a little more, a little less, or something else."""
        mine = {key[1:]: record.body for key, record in self.records.get(OTHER, {}).items()}
        want = Want({key: body for key, body in mine.items() if pick.number(4)})
        rows = self.rows()
        taken = {key[1:] for key in rows if key[0] == TENANT} - mine.keys()
        connectors = {key for key in taken if key[0] == "connector"}
        kind, name = pick.of(KINDS[:3]), pick.of(("a", "b", "c", "d"))
        if (kind, name) not in taken and (body := _body(pick, kind, want.bodies, connectors)):
            want.bodies[kind, name] = body
        self.apply(OTHER, want, external_of(want, taken))

    def looks_for_drift(self) -> None:
        before = self.arena.dump()
        rows, mine = self.rows(), self.records.get(SHOP, {})
        live = read_live(self.arena.database, SHOP, set())
        if live.project is None:
            return
        configuration = Configuration(SHOP, None, {})
        drift = find_drift(configuration, live, TODAY, Selection(), read_let_go(self.arena.database))
        assert self.arena.dump() == before, "looking for drift changed something"
        found = {(tuple(f.address), f.op): {field.path[0] for field in f.fields} for f in drift.findings}
        expected: dict[tuple[Key, str], set[Any]] = {}
        for key, record in mine.items():
            row = rows.get(key)
            if row is None or row.uid != record.uid:
                expected[key, "deleted"] = set()
            elif (now := normalise(key, row.raw)) != record.body:
                expected[key, "changed"] = _differing(record.body, now if now is not None else row.raw)
        tenants = {key[0] for key in mine}
        for key, row in rows.items():
            owned = reference.owned_by(SHOP, key, rows, self.records) or reference.owner_of(key, rows, self.records)
            if key[0] in tenants and not owned and row.uid not in self.let_go_of:
                expected[key, "created"] = set()
        assert found == expected, {
            key: (found.get(key), expected.get(key))
            for key in found.keys() | expected.keys()
            if found.get(key) != expected.get(key)
        }
        assert drift.clean == sum(key not in {k for k, op in expected if op != "created"} for key in mine)

    def adopts(self, pick: Pick) -> None:
        """By command: the owner changes, the row stays as it is."""
        rows = self.rows()
        able = [k for k in sorted(rows) if not reference.owned_by(SHOP, k, rows, self.records) and k[0] == TENANT]
        if not able:
            return
        key = pick.of(able)
        owner = reference.owner_of(key, rows, self.records) if pick.number(4) else None
        address, before = Address(*key), self.arena.dump()
        _tell(f"adopt {address} from {owner}")

        def plan() -> Plan:
            live = read_live(self.arena.database, SHOP, None)
            wanted = {address: _as_it_is(address, live)}
            configuration = Configuration(SHOP, None, wanted, adoptions=(Adoption(address, owner),))
            return make_plan(configuration, live, SETTING, Selection(targets=frozenset({address}), deletes=False))

        body = normalise(key, rows[key].raw)
        wish = Wish(SHOP, {} if body is None else {key: body}, adopt={key: owner})
        expected = self._expected(wish, rows, reference.Past(only=frozenset({key})))
        if body is None:
            expected.refused.append(f"{address} is not valid as it is")
        if not self.carry_out(SHOP, plan, expected, rows, before) and body is not None:
            self.want.bodies.setdefault(key[1:], body)

    def forgets(self, pick: Pick) -> None:
        """By command: nobody owns it, the row stays."""
        mine = sorted(self.records.get(SHOP, {}))
        if not mine:
            return
        key, rows, before = pick.of(mine), self.rows(), self.arena.dump()
        address = Address(*key)
        _tell(f"forget {address}")

        def plan() -> Plan:
            live = read_live(self.arena.database, SHOP, None)
            configuration = Configuration(SHOP, None, {}, removals=(Removal(address, destroy=False),))
            return make_plan(configuration, live, SETTING, Selection(targets=frozenset({address}), deletes=False))

        wish = Wish(SHOP, {}, let_go=frozenset({key}))
        expected = self._expected(wish, rows, reference.Past(only=frozenset({key})))
        if not self.carry_out(SHOP, plan, expected, rows, before):
            self.want.bodies.pop(key[1:], None)


def external_of(want: Want, known: set[Short]) -> set[Short]:
    """What has to be declared external: what is known, and all that the bodies refer to."""
    named = {
        key[1:]
        for (kind, name), body in want.bodies.items()
        for key in reference.references((TENANT, kind, name), body)
    }
    return (known | named) - want.bodies.keys()


def _differing(one: Body, other: Any) -> set[Any]:
    other = other if isinstance(other, dict) else {"": other}  # what is no body at all stands under no name
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}

"""What happens to one database: projects apply what they want, and people change rows by hand in between."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hypothesis import currently_in_test_context, note

from reconciler.errors import ConfigurationInvalid, PlanStale, Refused
from reconciler.kinds.parse import parse
from reconciler.kinds.table import BY_PLURAL, KINDS
from reconciler.model.address import Address
from reconciler.model.body import canonical, digest
from reconciler.model.configuration import Configuration
from reconciler.model.plan import Plan
from reconciler.model.spec import Spec

from . import reference
from .arena import Arena, Dump
from .bodies import Body
from .reference import NEW, Key, Record, Row, Wish
from .strategies import Group, loaded, write

TENANT = "acme"
PLURALS = {kind.name: plural for plural, kind in BY_PLURAL.items()}
NAMES = ("a", "b", "c", "d")


LOG: list[str] = []
"""What happened, for whoever runs a story outside of hypothesis."""


def _tell(text: str) -> None:
    if currently_in_test_context():
        note(text)
    else:
        LOG.append(text)


def normalise(key: Key, raw: Any) -> Body | None:
    if not isinstance(raw, dict):
        return None
    spec = parse(KINDS[key[1]], raw, Address(*key))
    return spec.normalised() if isinstance(spec, Spec) else None


class Want:
    """What a project's files say: bodies by kind and name, and the entries below them."""

    def __init__(self, bodies: dict[tuple[str, str], Body] | None = None) -> None:
        self.bodies = dict(bodies or {})
        self.moved: dict[tuple[str, str], tuple[str, str]] = {}
        self.let_go: set[tuple[str, str]] = set()
        self.adopt: dict[tuple[str, str], str | None] = {}

    def group(self, external: set[tuple[str, str]]) -> Group:
        resources: dict[str, dict[str, Body]] = {}
        for (kind, name), body in self.bodies.items():
            resources.setdefault(PLURALS[kind], {})[name] = body
        entries: dict[str, list[Any]] = {
            "moved": [{"from": "/".join(old), "to": "/".join(new)} for old, new in self.moved.items()],
            "removed": [{"from": "/".join(key), "destroy": False} for key in sorted(self.let_go)],
            "adopt": [
                {"address": "/".join(key), "from_project": owner} if owner else "/".join(key)
                for key, owner in self.adopt.items()
            ],
            "external": ["/".join(key) for key in sorted(external)],
        }
        return Group((TENANT,), resources, {key: items for key, items in entries.items() if items})

    def wish(self, project: str, configuration: Configuration) -> Wish:
        return Wish(
            project,
            {
                (address.tenant, address.kind, address.name): resource.body
                for address, resource in configuration.resources.items()
            },
            {(TENANT, *old): (TENANT, *new) for old, new in self.moved.items()},
            frozenset((TENANT, *key) for key in self.let_go),
            {(TENANT, *key): owner for key, owner in self.adopt.items()},
        )


class Story:
    """Runs on an arena; ``records`` are the reference's own memory of what was applied, never read from the database."""

    def __init__(self, arena: Arena, folder: Path) -> None:
        self.arena = arena
        self.folder = folder
        self.records: dict[str, dict[Key, Record]] = {}
        arena.reset()

    def rows(self) -> dict[Key, Row]:
        """What is live, read by plain SQL."""
        spec = "spec" if self.arena.database.is_sqlite else "spec::text"
        found = self.arena.sql(f"SELECT tenant, kind, name, uid, {spec}, project FROM resources ORDER BY uid")
        return {(t, k, n): Row(uid, json.loads(text), project) for t, k, n, uid, text, project in found}

    def by_hand(self, statement: str, *parameters: Any) -> None:
        _tell(f"-- {statement} {parameters}")
        self.arena.sql(statement, parameters)

    def apply(self, project: str, want: Want, external: set[tuple[str, str]]) -> reference.Result:
        """Applies with the tool and with the reference, and compares all that there is."""
        configuration = self.load(project, want, external)
        if configuration is None:
            return reference.Result({}, {}, refused=["invalid"])
        rows, before = self.rows(), self.arena.dump()
        expected = reference.apply(want.wish(project, configuration), rows, self.records, normalise)
        if not self.carry_out(project, lambda: self.arena.plan(configuration), expected, rows, before):
            again = self.arena.plan(configuration)
            assert again.changes == ()
        return expected

    def load(self, project: str, want: Want, external: set[tuple[str, str]]) -> Configuration | None:
        """Through files, by the real loader; None where they don't fit together."""
        write(self.folder, (want.group(external),))
        _tell(f"{project}: " + (self.folder / "all.yaml").read_text())
        return loaded(self.folder, project)

    def carry_out(
        self, project: str, make: Callable[[], Plan], expected: reference.Result, rows: dict[Key, Row], before: Dump
    ) -> bool:
        """Plans, applies and compares; whether both refuse. ``rows`` and ``before`` are those of before."""
        _tell(f"expected: {expected.actions} {expected.refused}")
        refused = self._really(make, expected)
        after = self.arena.dump()
        assert refused == bool(expected.refused), expected.refused
        if refused:
            assert after == before, "a refused apply changed something"
        else:
            self.compare(project, rows, before, after, expected)
        return refused

    def _really(self, make: Callable[[], Plan], expected: reference.Result) -> bool:
        """Whether the tool refuses."""
        try:
            plan = make()
        except (Refused, ConfigurationInvalid):
            return True
        planned = told((tuple(c.address), c.action.value) for c in plan.changes)
        assert planned == expected.actions, f"{planned} planned, {expected.actions} expected"
        _tell(f"blocked: {[blocker.message for blocker in plan.blockers]}")
        if plan.blockers:
            # the command line stops here; what an apply judges by itself, under the lock, it refuses as well
            if not all(blocker.code == "depended-on" for blocker in plan.blockers):
                _raises(lambda: self.arena.apply(plan))
            return True
        self.arena.apply(plan)
        return False

    def compare(
        self, project: str, rows: dict[Key, Row], before: Dump, after: Dump, expected: reference.Result
    ) -> None:
        live, known = self.rows(), {row.uid for row in rows.values()}
        assert live.keys() == expected.rows.keys()
        for key, row in expected.rows.items():
            if row.uid == NEW:
                assert live[key].uid not in known
                known.add(live[key].uid)
                record = expected.records[project][key]
                expected.records[project][key] = record._replace(uid=live[key].uid)
                row = row._replace(uid=live[key].uid)
            assert canonical([*live[key]]) == canonical([*row]), f"{key} is {live[key]}, expected {row}"
        written = expected.written | (rows.keys() - live.keys())
        assert _untouched(before, written) == _untouched(after, written), "a row that is not ours changed"
        self.records = expected.records
        assert self._applied() == {
            (owner, *key): (
                record.uid,
                canonical(record.body),
                digest(record.body),
                _text(record.moved_from),
                _marks(key, record),
            )
            for owner, known_ in self.records.items()
            for key, record in known_.items()
        }
        changes = self.arena.sql(
            "SELECT tenant, kind, name, action FROM changes c WHERE project = ? AND generation = "
            "(SELECT generation FROM projects WHERE name = ?) ORDER BY position",
            (project, project),
        )
        if expected.actions:
            assert told(((t, k, n), action) for t, k, n, action in changes) == expected.actions
        else:
            assert after == before

    def _applied(self) -> dict[Any, Any]:
        found = self.arena.sql(
            "SELECT project, tenant, kind, name, uid, spec, digest, moved_from, explicit FROM applied"
        )
        return {
            (p, t, k, n): (uid, spec, digest_, moved, {tuple(x) for x in json.loads(explicit) if x[0] == "moved"})
            for p, t, k, n, uid, spec, digest_, moved, explicit in found
        }


def told(actions: Iterable[tuple[Any, str]]) -> dict[Any, str]:
    """By address, in order: where one thing moves onto the name of another, that one is destroyed first."""
    found: dict[Any, str] = {}
    for key, action in actions:
        found[key] = f"{found[key]}+{action}" if key in found else action
    return found


def _raises(call: Callable[[], Any]) -> None:
    try:
        call()
    except (Refused, PlanStale):
        return
    raise AssertionError("an apply did what the plan says would be refused")


def _marks(key: Key, record: Record) -> set[tuple[str, ...]]:
    """What a row remembers of the entries from and to its name."""
    return {("moved", old[2]) if new == key else ("moved", "to", new[2]) for old, new in record.seen}


def _text(key: Key | None) -> str | None:
    return "/".join(key) if key else None


def _untouched(dump: Dump, written: set[Key]) -> list[tuple[Any, ...]]:
    """The rows of ``resources`` with all their columns, but for those that were to be written."""
    return [row for row in dump["resources"] if not any(_is(row, key) for key in written)]


def _is(row: tuple[Any, ...], key: Key) -> bool:
    return any(tuple(row[start : start + 3]) == key for start in (0, 1))

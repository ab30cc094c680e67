"""Rows of the past put back by hand, records and history taken away or changed: each is noticed by whoever would go by it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Db, reconciler
from tests.runtime.worlds import WORLD
from tests.store.support import Cli, cli_on

OTHER = {**WORLD, "tenant": "globex"}


@pytest.fixture
def plain(db: Db, folder: Path) -> Cli:
    write(folder, WORLD)
    call = cli_on(db.url, folder)
    call("apply", "--auto-approve").ok()
    return call


@pytest.fixture
def keyed(db: Db, folder: Path) -> Cli:
    key = folder.parent / "keys.json"
    reconciler("secrets", "keys", "create", "--out", str(key), cwd=folder).ok()
    write(folder, WORLD)
    call = cli_on(db.url, folder)

    def with_key(*arguments: str) -> Any:
        return call(*arguments, RECONCILER_KEY_FILE=str(key))

    with_key("apply", "--auto-approve").ok()
    return with_key


def write(folder: Path, world: dict[str, Any]) -> None:
    (folder / "acme.yaml").write_text(f"{json.dumps(world)}\n---\n{json.dumps(OTHER)}")


def findings(run: Cli) -> list[tuple[str, str]]:
    return [(one["address"], one["finding"]) for one in run("drift", "--format", "json").json["findings"]]


def allowed(run: Cli) -> bool:
    found = run("access", "explain", "template/top", "--caller", "acme/bot", "--format", "json").ok().json
    return bool(found["decision"] == "allow")


class Copies:
    """What stands in the two tables of one resource, to be put back later."""

    TABLES = ("resources", "applied")

    def __init__(self, db: Db, name: str) -> None:
        self._db, self._name = db, name
        self._kept = {table: self._read(table) for table in self.TABLES}

    def _read(self, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        names = "SELECT column_name FROM information_schema.columns WHERE table_name = ? ORDER BY ordinal_position"
        if self._db.is_sqlite:
            columns = [row[1] for row in self._db.sql(f"PRAGMA table_info({table})")]
        else:
            columns = [row[0] for row in self._db.sql(names, [table])]
        shown = ", ".join("spec::text" if one == "spec" and not self._db.is_sqlite else one for one in columns)
        return columns, self._db.sql(f"SELECT {shown} FROM {table} WHERE tenant = 'acme' AND name = ?", [self._name])

    def put_back(self) -> None:
        for table, (columns, rows) in self._kept.items():
            self._db.sql(f"DELETE FROM {table} WHERE tenant = 'acme' AND name = ?", [self._name])
            json_of = "?" if self._db.is_sqlite or table == "applied" else "CAST(? AS jsonb)"
            marks = ", ".join(json_of if one == "spec" else "?" for one in columns)
            for row in rows:
                self._db.sql(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", row)


NARROWER = {**WORLD["policies"]["read"], "subjects": {"roles": ["nobody"]}, "optional": True}


@pytest.mark.parametrize("policies", [{}, {"read": NARROWER}])
def test_an_earlier_record_proves_nothing(db: Db, keyed: Cli, folder: Path, policies: dict[str, Any]) -> None:
    """An allow policy that was taken back, with body, uid, digests and MAC of the time when it was in force."""
    copies = Copies(db, "read")
    write(folder, {**WORLD, "policies": policies})
    keyed("apply", "--auto-approve").ok()
    assert not allowed(keyed)
    copies.put_back()
    assert findings(keyed) == [("acme/policy/read", "forged")]
    assert not allowed(keyed)
    assert "record-forged" in keyed("apply", "--auto-approve", "--overwrite-outside").ok(6).err
    db.sql("UPDATE applied SET generation = 2 WHERE tenant = 'acme' AND name = 'read'")
    assert findings(keyed) == [("acme/policy/read", "forged")]
    assert not allowed(keyed)


def test_records_without_any_mac_are_forged_where_an_apply_signed(db: Db, keyed: Cli) -> None:
    """Whoever drops all of them would have a project that was never signed."""
    db.sql("UPDATE applied SET mac = NULL")
    found = findings(keyed)
    assert ("acme/policy/read", "forged") in found
    assert len(found) == db.sql("SELECT count(*) FROM applied")[0][0]
    assert not allowed(keyed)
    keyed("project", "rename", "shop", "store").ok()
    assert not allowed(keyed)
    db.sql("UPDATE projects SET lineage = '00000000-0000-4000-8000-000000000000'")
    keyed("project", "rename", "store", "shop").ok()
    assert not allowed(keyed)


def test_two_tenants_that_change_places(db: Db, keyed: Cli) -> None:
    for table in ("resources", "applied"):
        for was, to in (("acme", "zz"), ("globex", "acme"), ("zz", "globex")):
            db.sql(f"UPDATE {table} SET tenant = ? WHERE tenant = ? AND name = 'read'", [to, was])
    assert findings(keyed) == [("acme/policy/read", "forged"), ("globex/policy/read", "forged")]
    assert not allowed(keyed)


def test_a_row_whose_record_is_gone_is_nobody_s(db: Db, plain: Cli) -> None:
    db.sql("DELETE FROM applied WHERE tenant = 'acme' AND name = 'read'")
    assert findings(plain) == [("acme/policy/read", "created")]
    assert not allowed(plain)
    assert "not-owned" in plain("apply", "--auto-approve").ok(6).err
    db.sql("DELETE FROM applied")
    found = findings(plain)
    assert len(found) == db.sql("SELECT count(*) FROM resources")[0][0]
    assert {finding for _, finding in found} == {"created"}


def unforced(db: Db, statements: Sequence[str]) -> None:
    """As somebody would who may switch foreign keys off."""
    off = "" if db.is_sqlite else "SET session_replication_role = replica; "
    for statement in statements:
        db.sql(off + statement)


@pytest.mark.parametrize(
    "statement", ["UPDATE projects SET generation = 0", "UPDATE projects SET generation = 1", "DELETE FROM projects"]
)
def test_a_project_s_row_that_history_contradicts(db: Db, plain: Cli, folder: Path, statement: str) -> None:
    write(folder, {**WORLD, "planes": {}})
    plain("apply", "--auto-approve").ok()
    write(folder, WORLD)
    plain("plan", "--out", "saved.plan").ok()
    unforced(db, [statement])
    commands = [("plan",), ("drift",), ("apply", "--auto-approve"), ("rollback", "1", "--auto-approve")]
    for command in commands:
        assert "project-row-damaged" in plain(*command).ok(8).err, command
    saved = plain("apply", "saved.plan", "--auto-approve")
    assert saved.code in {4, 6, 8}
    assert "acme/plane/desk" not in db.rows()


def test_a_project_without_a_row_has_no_records(db: Db, keyed: Cli) -> None:
    unforced(db, ["DELETE FROM projects", "UPDATE applied SET mac = NULL"])
    assert not allowed(keyed)


FORGED = [
    "UPDATE changes SET after = replace(after, 'analyst', 'anybody') WHERE tenant = 'acme' AND name = 'read'",
    "UPDATE changes SET name = 'renamed' WHERE tenant = 'acme' AND name = 'read'",
    "UPDATE changes SET action = 'adopt' WHERE tenant = 'acme' AND name = 'read'",
    "DELETE FROM changes WHERE tenant = 'acme' AND name = 'read'",
    "DELETE FROM changes WHERE generation = 1",
]


@pytest.mark.parametrize("statement", FORGED)
def test_nobody_goes_back_to_what_was_never_applied(db: Db, plain: Cli, folder: Path, statement: str) -> None:
    write(folder, {**WORLD, "planes": {}})
    plain("apply", "--auto-approve").ok()
    plain("audit", "verify").ok()
    plain("rollback", "1", "--out", "back.plan").ok()
    db.sql(statement)
    live = db.rows()
    for command in (("rollback", "1"), ("revert", "2"), ("audit", "verify")):
        assert "history-damaged" in plain(*command).ok(8).err
    assert db.rows() == live


CHANGED = "UPDATE changes SET after = replace(after, 'analyst', 'anybody') WHERE tenant = 'acme' AND name = 'read'"
HIDDEN = [
    [CHANGED, "UPDATE generations SET apply_id = 'f' || substr(apply_id, 2) WHERE number = 1"],
    [CHANGED, "UPDATE projects SET horizon = 2"],
    [
        "UPDATE generations SET number = 9, apply_id = apply_id WHERE number = 1",
        "UPDATE changes SET generation = 9 WHERE generation = 1",
        "UPDATE generations SET number = 1 WHERE number = 2",
        "UPDATE changes SET generation = 1 WHERE generation = 2",
        "UPDATE generations SET number = 2 WHERE number = 9",
        "UPDATE changes SET generation = 2 WHERE generation = 9",
    ],
    ["DELETE FROM changes WHERE generation = 1", "DELETE FROM generations WHERE number = 1"],
]
"""The row that names an apply is changed with it: its id, what is said to be pruned, the order, or that it is there at all."""


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("statements", HIDDEN)
def test_no_row_takes_a_generation_out_of_the_trails_sight(
    db: Db, plain: Cli, folder: Path, statements: list[str], renamed: bool
) -> None:
    for planes in ({}, WORLD["planes"]):
        write(folder, {**WORLD, "planes": planes})
        plain("apply", "--auto-approve").ok()
    if renamed:
        plain("project", "rename", "shop", "store").ok()
    plain("audit", "verify").ok()
    for statement in statements:
        db.sql(statement)
    assert "history-damaged" in plain("audit", "verify").ok(8).err


def test_history_that_was_pruned_is_not_damaged(db: Db, plain: Cli, folder: Path) -> None:
    (folder / "reconciler.yaml").write_text("version: 1\nproject: shop\nhistory: {keep_generations: 1}\n")
    for planes in ({}, WORLD["planes"], {}):
        write(folder, {**WORLD, "planes": planes})
        plain("apply", "--auto-approve").ok()
    assert db.sql("SELECT horizon FROM projects") == [(3,)]
    plain("audit", "verify").ok()
    plain("rollback", "3", "--out", "back.plan").ok()

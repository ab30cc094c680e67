"""A project gets another name: whole or not at all, also while others apply."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.apply.processes import Running, until_waiting
from tests.conftest import Db, new_postgres_database
from tests.store.support import cli_on, tables

APPLY = ("apply", "--auto-approve")


def write(folder: Path, requests: int = 1) -> None:
    body = {"target": "tenant", "per": "day", "requests": requests}
    (folder / "acme.yaml").write_text(json.dumps({"version": 1, "tenant": "acme", "limits": {"one": body}}))


def test_what_it_owns_and_its_history_follow(db: Db, folder: Path) -> None:
    write(folder)
    cli_on(db.url, folder, "old")(*APPLY).ok()
    uid = db.sql("SELECT uid FROM resources")
    cli_on(db.url, folder, "old")("project", "rename", "old", "new").ok()
    for table in ("resources", "applied", "generations", "changes"):
        assert db.sql(f"SELECT DISTINCT project FROM {table}") == [("new",)]
    assert "No changes." in cli_on(db.url, folder, "new")("plan").ok().out
    assert "belongs to the project 'new'" in cli_on(db.url, folder, "old")("plan").ok(6).err
    write(folder, 2)
    cli_on(db.url, folder, "new")(*APPLY).ok()
    assert db.sql("SELECT uid FROM resources") == uid


def test_it_is_in_the_audit_trail(db: Db, folder: Path) -> None:
    """In the same transaction: a renaming that is refused leaves no entry."""
    write(folder)
    run = cli_on(db.url, folder, "old")
    key = str(folder / "keys.json")
    run("secrets", "keys", "create", "--out", key).ok()
    run(*APPLY).ok()
    run("project", "rename", "old", "new", RECONCILER_KEY_FILE=key).ok()
    run("project", "rename", "old", "newer").ok(1)
    run("project", "rename", "new", "new").ok(6)
    entries = [json.loads(body) for (body,) in db.sql("SELECT body FROM audit ORDER BY seq")]
    assert [(one["event"], one["actor"]) for one in entries] == [("apply", "tester"), ("project-rename", "tester")]
    assert (entries[1]["from"], entries[1]["to"]) == ("old", "new")
    assert db.sql("SELECT seq, key_id IS NULL FROM audit ORDER BY seq") == [(1, 1), (2, 0)]
    assert "The audit trail holds: 2 entries" in run("audit", "verify", RECONCILER_KEY_FILE=key).ok().out


def test_nothing_to_rename(db: Db, folder: Path) -> None:
    run = cli_on(db.url, folder, "old")
    assert "there is no project 'old'" in run("project", "rename", "old", "new").ok(1).err
    if db.is_sqlite:
        assert not db.path.exists()
    else:
        assert tables(db) == []
    write(folder)
    run(*APPLY).ok()
    assert "there is no project 'older'" in run("project", "rename", "older", "new").ok(1).err
    assert "there is a project 'old' already" in run("project", "rename", "old", "old").ok(6).err


def test_an_apply_goes_on(postgres_server: str, folder: Path) -> None:
    """The renaming waits; an apply that waits for a renaming finds another project, and writes nothing."""
    db = Db(new_postgres_database(postgres_server))
    write(folder)
    cli_on(db.url, folder, "old")(*APPLY).ok()
    write(folder, 2)
    with psycopg.connect(db.url) as other:
        other.execute("UPDATE projects SET git_commit = NULL")
        renaming = Running(db.url, folder, "project", "rename", "old", "new", RECONCILER_PROJECT="old")
        until_waiting(db)
    renaming.end().ok()
    cli_on(db.url, folder, "new")(*APPLY).ok()
    write(folder, 3)
    with psycopg.connect(db.url) as other:
        other.execute("UPDATE projects SET name = 'newer'")
        waiting = Running(db.url, folder, *APPLY, RECONCILER_PROJECT="new")
        until_waiting(db)
    assert "[wrong-lineage]" in waiting.end().ok(6).err
    assert db.sql("SELECT name, generation FROM projects") == [("newer", 2)]


def test_two_take_the_same_name(postgres_server: str, folder: Path) -> None:
    db = Db(new_postgres_database(postgres_server))
    for project in ("a", "b"):
        (folder / "acme.yaml").write_text(
            json.dumps({"version": 1, "tenant": project, "limits": {"x": {"target": "tenant", "concurrent": 1}}})
        )
        cli_on(db.url, folder, project)(*APPLY).ok()
    with psycopg.connect(db.url) as other:
        other.execute("UPDATE projects SET name = 'c' WHERE name = 'a'")
        second = Running(db.url, folder, "project", "rename", "b", "c", RECONCILER_PROJECT="b")
        until_waiting(db)
    assert "somebody else took the name" in second.end().ok(1).err
    assert db.sql("SELECT name FROM projects ORDER BY 1") == [("b",), ("c",)]


def test_sqlite_is_busy(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.store.rename.WAIT_SECONDS", 0.3)
    db = Db(f"sqlite:///{tmp_path}/state.db")
    write(folder)
    run = cli_on(db.url, folder, "old")
    run(*APPLY).ok()
    with closing(sqlite3.connect(db.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "nothing was changed" in run("project", "rename", "old", "new").ok(5).err


def test_a_life_that_goes_on_elsewhere_is_not_brought_back(db: Db, folder: Path) -> None:
    """A rollback restores uids; one that somebody has given to another row stays there."""
    write(folder)
    run = cli_on(db.url, folder)
    run(*APPLY).ok()
    uid = db.sql("SELECT uid FROM resources")[0][0]
    (folder / "acme.yaml").write_text('{"version": 1, "tenant": "acme", "limits": {}}')
    run(*APPLY, "--allow-empty").ok()
    body = json.dumps({"target": "tenant", "concurrent": 1})
    db.sql("INSERT INTO resources (tenant, kind, name, spec, uid) VALUES ('acme', 'limit', 'z', ?, ?)", [body, uid])
    refused = run("rollback", "1", "--auto-approve").ok(6)
    assert "acme/limit/one is live under another name, acme/limit/z" in refused.err
    db.sql("DELETE FROM resources")
    run("rollback", "1", "--auto-approve").ok()
    assert db.sql("SELECT name, uid FROM resources") == [("one", uid)]

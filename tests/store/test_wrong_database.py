"""A plan meets another database than the one it was made for: restored, emptied, replaced, of another environment."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Db, new_postgres_database
from tests.store.support import Cli, cli_on, set_up, tables

APPLY = ("apply", "--auto-approve")


def write(folder: Path, requests: int) -> None:
    body = {"target": "tenant", "per": "day", "requests": requests}
    (folder / "acme.yaml").write_text(json.dumps({"version": 1, "tenant": "acme", "limits": {"one": body}}))


@pytest.fixture
def run(db: Db, folder: Path) -> Cli:
    return cli_on(db.url, folder)


def copy_of(db: Db, tmp_path: Path) -> Db:
    """What a backup of now holds, as a database of its own."""
    if db.is_sqlite:
        with closing(sqlite3.connect(db.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copyfile(db.path, tmp_path / "copy.db")
        return Db(f"sqlite:///{tmp_path}/copy.db")
    with psycopg.connect(db.url) as connection:
        name = connection.info.dbname
    copy = f"copy_{name}"
    with psycopg.connect(db.url.replace(name, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {copy} TEMPLATE {name}")
    return Db(db.url.replace(name, copy))


def another(db: Db, tmp_path: Path) -> Db:
    return Db(f"sqlite:///{tmp_path}/another.db") if db.is_sqlite else Db(new_postgres_database(db.url))


def test_restored_from_yesterday(db: Db, run: Cli, folder: Path, tmp_path: Path) -> None:
    write(folder, 1)
    run(*APPLY).ok()
    yesterday = copy_of(db, tmp_path)
    write(folder, 2)
    run(*APPLY).ok()
    write(folder, 3)
    run("plan", "--out", "today.plan").ok()
    stale = cli_on(yesterday.url, folder)("apply", "today.plan", "--auto-approve").ok(4)
    assert "the database is at generation 1, older than the plan's 2" in stale.err
    assert "restored from a backup" in stale.err
    assert yesterday.rows()["acme/limit/one"]["requests"] == 1
    assert yesterday.sql("SELECT number FROM generations") == [(1,)]


def test_restored_and_gone_on_differently(db: Db, run: Cli, folder: Path, tmp_path: Path) -> None:
    """Two histories of one lineage with the same generation, and numbers drawn twice: the applies tell, and the bodies."""
    write(folder, 1)
    run(*APPLY).ok()
    yesterday = copy_of(db, tmp_path)
    write(folder, 2)
    run(*APPLY).ok()
    write(folder, 9)
    run("plan", "--out", "today.plan").ok()
    write(folder, 5)
    cli_on(yesterday.url, folder)(*APPLY).ok()
    stale = cli_on(yesterday.url, folder)("apply", "today.plan", "--auto-approve").ok(4)
    assert "generation 2 of this database is the work of the apply " in stale.err
    assert "acme/limit/one is no longer as it was" in stale.err
    assert yesterday.rows()["acme/limit/one"]["requests"] == 5


@pytest.mark.parametrize("what", ["of the same project", "of another project", "set up", "empty"])
def test_another_database(db: Db, run: Cli, folder: Path, tmp_path: Path, what: str) -> None:
    write(folder, 1)
    run(*APPLY).ok()
    write(folder, 2)
    run("plan", "--out", "saved.plan").ok()
    other = another(db, tmp_path)
    if what.startswith("of"):
        write(folder, 1)
        cli_on(other.url, folder, "shop" if "same" in what else "other")(*APPLY).ok()
    elif what == "set up":
        set_up(other)
    before = other.rows() if what != "empty" else {}
    refused = cli_on(other.url, folder)("apply", "saved.plan", "--auto-approve").ok(6)
    assert "[wrong-lineage]" in refused.err
    if what == "empty":
        assert not other.path.exists() if db.is_sqlite else tables(other) == []
    else:
        assert other.rows() == before
        assert other.sql("SELECT count(*) FROM projects") == [(1 if what.startswith("of") else 0,)]


def test_a_plan_for_an_empty_database_on_a_full_one(db: Db, run: Cli, folder: Path) -> None:
    """It creates what is there already: done, if it is the same and ours, else stale; the schema is not set up twice."""
    write(folder, 1)
    run("plan", "--out", "first.plan").ok()
    run(*APPLY).ok()
    assert "Somebody has applied this plan already" in run("apply", "first.plan", "--auto-approve").ok().out
    write(folder, 2)
    run(*APPLY).ok()
    assert "acme/limit/one is no longer as it was" in run("apply", "first.plan", "--auto-approve").ok(4).err
    assert db.rows()["acme/limit/one"]["requests"] == 2


def test_a_plan_for_an_empty_database_on_somebody_elses(db: Db, run: Cli, folder: Path) -> None:
    write(folder, 1)
    run("plan", "--out", "first.plan").ok()
    db.sql("CREATE TABLE theirs (x INTEGER)")
    refused = run("apply", "first.plan", "--auto-approve").ok(6)
    assert "[database-foreign]" in refused.err
    assert tables(db) == ["theirs"]


def test_another_environment(db: Db, folder: Path, tmp_path: Path) -> None:
    """Refused when it is planned, when it is applied, and as a saved plan that was made on an empty database."""
    settings = "version: 1\nproject: shop\ninclude: [acme.yaml]\nenvironments: {dev: {}, prod: {}}\n"
    (folder / "reconciler.yaml").write_text(settings)
    run = cli_on(db.url, folder, "")
    write(folder, 1)
    run(*APPLY, "--env", "dev").ok()
    cli_on(another(db, tmp_path).url, folder, "")("plan", "--env", "prod", "--out", "prod.plan").ok()
    for arguments in (("plan",), APPLY, ("apply", "prod.plan", "--auto-approve")):
        refused = run(*arguments, "--env", "prod").ok(6)
        assert "[wrong-environment]" in refused.err
        assert "'dev'" in refused.err
    assert "'dev' was named" in run("apply", "prod.plan", "--auto-approve", "--env", "dev").ok(6).err
    assert db.sql("SELECT environment, generation FROM projects") == [("dev", 1)]


class TestSetUpRace:
    """Somebody else is setting the database up and takes long."""

    def test_postgresql(self, postgres_server: str, folder: Path) -> None:
        from reconciler.store.schema import _SETUP_LOCK

        db = Db(new_postgres_database(postgres_server))
        run = cli_on(db.url, folder)
        write(folder, 1)
        with psycopg.connect(db.url) as other:
            other.execute("SELECT pg_advisory_xact_lock(%s)", [_SETUP_LOCK])
            started = time.monotonic()
            late = run(*APPLY, "--lock-timeout", "0.5").ok(5)
            assert "another process is setting up the database" in late.err
            assert "nothing was changed" in run("db", "upgrade", "--lock-timeout", "0.5").ok(5).err
            assert time.monotonic() - started < 10
        assert tables(db) == []
        run(*APPLY).ok()

    def test_sqlite(self, tmp_path: Path, folder: Path) -> None:
        db = Db(f"sqlite:///{tmp_path}/state.db")
        run = cli_on(db.url, folder)
        write(folder, 1)
        with closing(sqlite3.connect(db.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("CREATE TABLE half_done (x)")
            started = time.monotonic()
            late = run(*APPLY, "--lock-timeout", "0.5").ok(5)
            assert "another process is setting up the database" in late.err
            assert "nothing was changed" in run("db", "upgrade", "--lock-timeout", "0.5").ok(5).err
            assert time.monotonic() - started < 10
            other.execute("ROLLBACK")
        run(*APPLY).ok()

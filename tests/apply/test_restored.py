"""A plan belongs to a lineage, a generation, and the apply that made it: a restored database counts on with other applies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.apply.processes import limits
from tests.conftest import Db, Run, new_postgres_database

APPLY = ("apply", ".", "--auto-approve")
Restore = Callable[[], None]


@pytest.fixture
def backup(db: Db, tmp_path: Path) -> Callable[[], Restore]:
    """Takes a copy of the database; what it returns puts the copy back under the database's own name."""

    def take() -> Restore:
        if db.is_sqlite:
            db.sql("PRAGMA wal_checkpoint(TRUNCATE)")
            copy = shutil.copy(db.path, tmp_path / "backup.db")

            def back() -> None:
                for name in ("-wal", "-shm"):
                    db.path.with_name(db.path.name + name).unlink(missing_ok=True)
                shutil.copy(copy, db.path)

            return back
        name = db.url.partition("?")[0].rpartition("/")[2]
        server = db.url.replace(f"/{name}", "/postgres")
        kept = new_postgres_database(server, name).partition("?")[0].rpartition("/")[2]

        def back_on_server() -> None:
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
                connection.execute(f"CREATE DATABASE {name} TEMPLATE {kept}".encode())

        return back_on_server

    return take


def generation_of(db: Db, number: int) -> str:
    return str(db.sql("SELECT apply_id FROM generations WHERE number = ?", [number])[0][0])


def test_a_plan_from_before_a_restore_is_stale(db: Db, run: Run, folder: Path, backup: Callable[[], Restore]) -> None:
    manifest = folder / "acme.yaml"
    manifest.write_text(limits(a=1, b=1))
    run(*APPLY).ok()
    restore = backup()
    manifest.write_text(limits(a=1, b=2))
    run(*APPLY).ok()
    before = generation_of(db, 2)
    manifest.write_text(limits(a=2, b=2))
    run("plan", "--out", "old.plan").ok()
    assert json.loads((folder / "old.plan").read_bytes())["apply_id"] == before
    restore()
    manifest.write_text(limits(a=1, b=3))
    run(*APPLY).ok()
    after = generation_of(db, 2)
    rows = db.rows()
    for _ in range(2):  # in the same generation, and one later
        ran = run("apply", "old.plan", "--auto-approve").ok(4)
        assert f"generation 2 of this database is the work of the apply {after}" in ran.err
        assert f"the plan was made after the apply {before}" in ran.err
        assert db.rows() == rows
        manifest.write_text(limits(a=1, b=4))
        run(*APPLY).ok()
        rows = db.rows()


def test_a_plan_from_after_the_restored_moment_is_stale(
    db: Db, run: Run, folder: Path, backup: Callable[[], Restore]
) -> None:
    manifest = folder / "acme.yaml"
    manifest.write_text(limits(a=1))
    run(*APPLY).ok()
    restore = backup()
    manifest.write_text(limits(a=2))
    run(*APPLY).ok()
    manifest.write_text(limits(a=2, b=1))
    run("plan", "--out", "old.plan").ok()
    restore()
    assert "older than the plan's 2" in run("apply", "old.plan", "--auto-approve").ok(4).err


@pytest.mark.parametrize(
    "command", [("rollback", "1"), ("revert", "2"), ("forget", "acme/limit/a"), ("adopt", "acme/limit/c")]
)
def test_every_command_that_saves_a_plan(
    command: tuple[str, ...], db: Db, run: Run, folder: Path, backup: Callable[[], Restore]
) -> None:
    manifest = folder / "acme.yaml"
    manifest.write_text(limits(a=1, c=1))
    run(*APPLY).ok()
    run("forget", "acme/limit/c", "--auto-approve").ok() if command[0] == "adopt" else None
    restore = backup()
    manifest.write_text(limits(a=2, b=1, **({} if command[0] == "adopt" else {"c": 1})))
    run(*APPLY).ok()
    run(*command, "--out", "old.plan").ok()
    restore()
    run(*APPLY).ok()
    ran = run("apply", "old.plan", "--auto-approve").ok(4)
    assert "the database was probably restored from a backup" in ran.err


def test_another_apply_in_between_is_none_of_this(db: Db, run: Run, folder: Path) -> None:
    manifest = folder / "acme.yaml"
    manifest.write_text(limits(a=1, b=1))
    run(*APPLY).ok()
    manifest.write_text(limits(a=2, b=1))
    run("plan", "--out", "one.plan").ok()
    manifest.write_text(limits(a=1, b=2))
    run(*APPLY).ok()
    run("apply", "one.plan", "--auto-approve").ok()
    assert {row["requests"] for row in db.rows().values()} == {2}

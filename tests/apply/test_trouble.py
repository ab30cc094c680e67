"""What an apply leaves in a pool, in another schema, and on a disk that is full."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg

from tests.apply.mixed import ALLOW, prepare
from tests.apply.processes import Running, limits
from tests.conftest import Db, Ran, command_environment, new_postgres_database, reconciler

APPLY = ("apply", "--auto-approve")


def test_nothing_of_an_apply_stays_in_a_pooled_session(
    postgres_server: str, pgbouncer: Callable[[str], str], folder: Path
) -> None:
    """Whoever gets the session next is not taken for the one who applied, and waits as long as he said."""
    db = Db(new_postgres_database(postgres_server))
    pooled = pgbouncer(db.url)
    for requests in range(1, 4):
        (folder / "acme.yaml").write_text(limits(a=requests))
        Running(pooled, folder, *APPLY, RECONCILER_ACTOR="alice").end().ok()
    assert db.sql("SELECT changed_by FROM resources") == [("alice",)]
    for _ in range(5):
        with psycopg.connect(pooled, prepare_threshold=None) as somebody:
            left = somebody.execute(
                "SELECT coalesce(current_setting('reconciler.actor', true), ''), current_setting('lock_timeout'), "
                "current_setting('application_name') ~ '^reconciler', current_setting('transaction_isolation')"
            ).fetchone()
            assert left == ("", "0", False, "read committed")
            somebody.execute("UPDATE resources SET spec = spec || '{}'")
    assert db.sql("SELECT changed_by FROM resources") == [("postgres",)]


def test_in_a_schema_of_its_own(postgres_server: str, folder: Path) -> None:
    """The triggers find their tables whatever search_path somebody else has."""
    db = Db(new_postgres_database(postgres_server))
    db.sql("CREATE TABLE public.theirs (x integer)")
    db.sql("CREATE SCHEMA ours")
    url = f"{db.url}&options=-csearch_path%3Dours"
    (folder / "acme.yaml").write_text(limits(a=1))
    Running(url, folder, *APPLY).end().ok()
    assert "No changes." in Running(url, folder, "plan").end().ok().out
    db.sql("UPDATE ours.resources SET spec = '{}'")
    db.sql("DELETE FROM ours.resources")
    assert db.sql("SELECT deleted_by FROM ours.tombstones") == [("postgres",)]
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    assert db.sql(tables) == [(1,)]


def test_a_disk_that_is_full(tmp_path: Path, folder: Path) -> None:
    """Wherever it ends: an error in a sentence, and the state before."""
    db = Db(f"sqlite:///{tmp_path}/state.db")
    own = {"RECONCILER_DATABASE_URL": db.url, "RECONCILER_PROJECT": "shop"}

    def run(*arguments: str, env: dict[str, str] | None = None) -> Ran:
        return reconciler(*arguments, cwd=folder, env={**own, **(env or {})})

    plan = prepare(run, db, folder)
    with closing(sqlite3.connect(db.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = {table: db.sql(f"SELECT * FROM {table}") for table in ("resources", "applied", "generations", "changes")}
    ends = set()
    for size in (1, 9000, 33000, 70000):
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", "apply", str(plan), *ALLOW],
            cwd=folder,
            env=command_environment(own),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            preexec_fn=lambda size=size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),  # type: ignore[misc]
        )
        assert done.returncode == 1, (size, done.stdout[-300:], done.stderr)
        assert "Traceback" not in done.stderr
        assert "internal-error" not in done.stderr
        ends.add(done.stderr.splitlines()[0].rpartition("state.db ")[2])
        found = {table: db.sql(f"SELECT * FROM {table}") for table in before}
        assert found == before, size
        assert db.sql("PRAGMA integrity_check") == [("ok",)]
    assert ends <= {"can't be read or written", "can't grow; nothing was written"}
    run("apply", str(plan), *ALLOW).ok()

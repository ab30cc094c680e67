"""Waiting for the lock: in bounded time, for somebody with a name; had again as soon as its holder is gone."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.apply.processes import Running, limits, until, until_locked, until_waiting
from tests.campaigns.bench import load, terms
from tests.conftest import Db, Run, new_postgres_database

HOLD = "after_lock:sleep:3"
APPLY = ("apply", "--auto-approve")


@pytest.fixture
def held(db: Db, run: Run, folder: Path) -> Callable[..., Running]:
    """Starts an apply (by alice) of one change that holds the lock for three seconds, and waits until it does."""
    manifest = folder / "acme.yaml"
    manifest.write_text(limits(a=1, b=1))
    run(*APPLY).ok()

    def hold(failpoint: str = HOLD, actor: str = "alice", a: int = 2) -> Running:
        manifest.write_text(limits(a=a, b=1))
        holder = Running(
            db.url, folder, *APPLY, "--format", "json", RECONCILER_FAILPOINT=failpoint, RECONCILER_ACTOR=actor
        )
        until_locked(db)
        return holder

    return hold


@pytest.fixture
def pg(postgres_server: str) -> Db:
    return Db(new_postgres_database(postgres_server))


@contextmanager
def quickly(seconds: float) -> Iterator[None]:
    """The block takes not much longer than that, and than a few times what an apply takes to start on this machine now."""
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    subprocess.run([sys.executable, "-c", "import reconciler.cli.apply, reconciler.apply.execute"], check=True)
    assert took < seconds + 1.5 + 4 * (time.monotonic() - started - took)


def names(db: Db, apply_id: str, actor: str, text: str) -> bool:
    if db.is_sqlite:
        return f"apply {apply_id} by {actor} (process " in text
    return re.search(rf"reconciler {apply_id[:8]} {actor} \(role postgres, server process \d+\)", text) is not None


@pytest.mark.parametrize("seconds", ["0", "1"])
def test_in_bounded_time_naming_the_holder(
    db: Db, run: Run, held: Callable[..., Running], folder: Path, seconds: str
) -> None:
    holder = held()
    (folder / "acme.yaml").write_text(limits(a=1, b=3))
    with quickly(float(seconds)):
        second = run(*APPLY, "--lock-timeout", seconds).ok(5)
    first = holder.end().ok()
    assert "the lock of the project 'shop' could not be had in time; it is held by" in second.err
    assert names(db, first.json["apply_id"], "alice", second.err), second.err
    assert db.rows()["acme/limit/b"]["requests"] == 1


def test_with_more_time_it_waits_and_says_for_whom(
    db: Db, run: Run, held: Callable[..., Running], folder: Path
) -> None:
    holder = held()
    second = run(*APPLY, "--lock-timeout", "30", "--format", "json").ok()
    first = holder.end().ok()
    assert "Waiting for the lock, held by" in second.err
    assert names(db, first.json["apply_id"], "alice", second.err), second.err
    assert (first.json["generation"], second.json["generation"]) == (2, None)  # the same change: done already
    holder = held(a=3)
    (folder / "acme.yaml").write_text(limits(a=2, b=5))  # planned from before what the holder writes
    second = run(*APPLY, "--lock-timeout", "30").ok()
    holder.end().ok()
    assert {address: body["requests"] for address, body in db.rows().items()} == {"acme/limit/a": 3, "acme/limit/b": 5}


def test_a_plan_that_waited_may_be_stale(db: Db, run: Run, held: Callable[..., Running], folder: Path) -> None:
    (folder / "acme.yaml").write_text(limits(a=9, b=1))
    run("plan", "--out", "saved.plan").ok()
    holder = held()
    second = run("apply", "saved.plan", "--auto-approve").ok(4)
    assert "acme/limit/a is no longer as it was when the plan was made" in second.err
    holder.end().ok()
    assert db.rows()["acme/limit/a"]["requests"] == 2


def test_a_killed_holder_lets_go_at_once(db: Db, run: Run, held: Callable[..., Running]) -> None:
    holder = held("after_lock:sleep:60")
    holder.send(signal.SIGKILL)
    assert holder.end().code == -9
    with quickly(1):
        run(*APPLY, "--lock-timeout", "5").ok()
    assert db.rows()["acme/limit/a"]["requests"] == 2
    if db.is_sqlite:
        assert db.sql("SELECT * FROM announcements") == []


def test_an_interrupted_holder_leaves_nothing(db: Db, held: Callable[..., Running]) -> None:
    for failpoint in ("after_lock:sleep:60", "before_commit:sleep:60"):
        holder = held(failpoint)
        time.sleep(0.3)
        holder.send(signal.SIGINT)
        ended = holder.end().ok(130)
        assert "Interrupted; nothing was written." in ended.err
        assert db.rows()["acme/limit/a"]["requests"] == 1
        if db.is_sqlite:
            assert db.sql("SELECT * FROM announcements") == db.sql("SELECT * FROM writer") == []
        else:
            others = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert db.sql(f"{others} AND backend_type = 'client backend'") == [(0,)]


def test_interrupted_after_the_commit_is_done(db: Db, run: Run, folder: Path) -> None:
    """Never "nothing was written" when it was."""
    (folder / "acme.yaml").write_text(limits(a=1))
    run(*APPLY).ok()
    (folder / "acme.yaml").write_text(limits(a=4))
    late = Running(db.url, folder, *APPLY, RECONCILER_FAILPOINT="after_commit:sleep:60")
    until(lambda: db.rows()["acme/limit/a"]["requests"] == 4)
    time.sleep(0.3)
    late.send(signal.SIGINT)
    ended = late.end().ok()
    assert "1 changed" in ended.out
    assert "nothing was written" not in ended.err


def test_nothing_to_do_leaves_nothing(db: Db, run: Run, folder: Path) -> None:
    (folder / "acme.yaml").write_text(limits(a=1))
    run("plan", "--out", "saved.plan").ok()
    run("apply", "saved.plan", "--auto-approve").ok()
    tables = ("projects", "generations", "changes", "applied", "resources", "announcements")
    before = {table: db.sql(f"SELECT * FROM {table}") for table in tables}
    run("apply", "saved.plan", "--auto-approve").ok()
    assert {table: db.sql(f"SELECT * FROM {table}") for table in tables} == before
    if db.is_sqlite:
        assert db.sql("SELECT * FROM writer") == []


def test_no_thread_and_no_connection_is_left(db: Db, run: Run, folder: Path) -> None:
    from reconciler.apply.execute import execute

    (folder / "acme.yaml").write_text(limits(a=1))
    run("plan", "--out", "saved.plan").ok()
    plan, database = load(folder / "saved.plan", db.url)
    execute(plan, database, terms())
    files, threads = set(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(5):
        execute(plan, database, terms())
    assert len(os.listdir("/proc/self/fd")) <= len(files)
    assert threading.active_count() == threads


# --- PostgreSQL alone


def test_everybody_in_the_queue_names_the_holder(pg: Db, folder: Path) -> None:
    """The third waits for the second, and the second for the first: it is the first that both want to know."""
    (folder / "acme.yaml").write_text(limits(a=1))
    Running(pg.url, folder, *APPLY).end().ok()
    (folder / "acme.yaml").write_text(limits(a=2))
    holder = Running(pg.url, folder, *APPLY, RECONCILER_FAILPOINT="after_lock:sleep:60", RECONCILER_ACTOR="alice")
    until_locked(pg)
    waiters = [Running(pg.url, folder, *APPLY, "--lock-timeout", "5", RECONCILER_ACTOR=f"bob{i}") for i in range(3)]
    until_waiting(pg, 3)
    for waiter in waiters:
        ended = waiter.end().ok(5)
        assert re.search(r"it is held by reconciler [0-9a-f]{8} alice \(role", ended.err), ended.err
    holder.send(signal.SIGKILL)
    assert holder.end().code == -9


@pytest.mark.parametrize("failpoint", ["after_lock:sleep:2", "before_stmt:sleep:2:9", "before_commit:sleep:2"])
def test_a_hanging_holder_is_evicted_and_has_written_nothing(pg: Db, folder: Path, failpoint: str) -> None:
    (folder / "acme.yaml").write_text(limits(a=1))
    Running(pg.url, folder, *APPLY).end().ok()
    (folder / "acme.yaml").write_text(limits(a=2))
    setting(pg, "idle_in_transaction_session_timeout", "400ms")
    holder = Running(pg.url, folder, *APPLY, RECONCILER_FAILPOINT=failpoint)
    until_locked(pg)
    Running(pg.url, folder, *APPLY).end().ok()
    ended = holder.end().ok(1)
    assert "nothing was written" in ended.err
    assert "[connection-lost]" in ended.err
    assert pg.sql("SELECT number FROM generations ORDER BY 1") == [(1,), (2,)]


def setting(db: Db, name: str, value: str) -> None:
    """For every new session of this database."""
    with psycopg.connect(db.url, autocommit=True) as connection:
        database = connection.info.dbname
        connection.execute(f"ALTER DATABASE {database} SET {name} = '{value}'")


def test_a_row_that_somebody_else_has_locked(pg: Db, folder: Path) -> None:
    """Not the project's lock, and not for ever: the limit counts for everything that an apply waits for."""
    (folder / "acme.yaml").write_text(limits(a=1))
    Running(pg.url, folder, *APPLY).end().ok()
    (folder / "acme.yaml").write_text(limits(a=2))
    with psycopg.connect(pg.url, application_name="night shift") as person:
        person.execute("UPDATE resources SET spec = spec")
        with quickly(1):
            ended = Running(pg.url, folder, *APPLY, "--lock-timeout", "1").end().ok(5)
    assert "a row that this apply needs" in ended.err
    assert "it is held by night shift (role postgres, server process" in ended.err


def test_the_watch_may_fail(pg: Db, folder: Path) -> None:
    """A role that gets one connection: nobody can be asked, and everything else goes on."""
    (folder / "acme.yaml").write_text(limits(a=1))
    Running(pg.url, folder, *APPLY).end().ok()
    name = "one_" + pg.sql("SELECT current_database()")[0][0]
    pg.sql(f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 1")
    for grant in ("SELECT, INSERT, UPDATE, DELETE ON ALL TABLES", "USAGE ON ALL SEQUENCES"):
        pg.sql(f"GRANT {grant} IN SCHEMA public TO {name}")
    url = pg.url.replace("postgres:@", f"{name}@")
    assert url != pg.url
    (folder / "acme.yaml").write_text(limits(a=2))
    with psycopg.connect(pg.url) as person:
        person.execute("UPDATE projects SET git_commit = NULL")
        ended = Running(url, folder, *APPLY, "--lock-timeout", "1.5").end().ok(5)
    assert "it is held by unknown" in ended.err
    Running(url, folder, *APPLY).end().ok()
    assert pg.sql("SELECT DISTINCT changed_by FROM resources") == [("tester",)]


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_the_roles_default_isolation_does_not_count(pg: Db, folder: Path, isolation: str) -> None:
    """What was written while an apply waited for a lock has to be seen after it, also if the row itself did not change."""
    connector = {"type": "http", "base_url": "https://w.example.com"}
    document = {"version": 1, "tenant": "acme", "limits": json.loads(limits(a=1))["limits"]}
    (folder / "acme.yaml").write_text(json.dumps({**document, "connectors": {"warehouse": connector}}))
    Running(pg.url, folder, *APPLY).end().ok()
    setting(pg, "default_transaction_isolation", isolation)
    (folder / "acme.yaml").write_text(json.dumps(document))
    body = json.dumps({"type": "api", "connector": "warehouse"})
    with psycopg.connect(pg.url) as person:
        person.execute("SELECT 1 FROM resources WHERE name = 'warehouse' FOR SHARE")
        person.execute(
            "INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', 'datasource', 'x', %s)", [body]
        )
        waiting = Running(pg.url, folder, *APPLY)
        until_waiting(pg)
    ended = waiting.end().ok(4)
    assert "acme/datasource/x refers to acme/connector/warehouse, which this apply would remove" in ended.err
    assert "acme/connector/warehouse" in pg.rows()


def test_timeouts_of_the_role(pg: Db, folder: Path) -> None:
    """A lock_timeout of its own is not what --lock-timeout says; a statement_timeout stands, and is named."""
    (folder / "acme.yaml").write_text(limits(a=1))
    Running(pg.url, folder, *APPLY).end().ok()
    setting(pg, "lock_timeout", "50ms")
    (folder / "acme.yaml").write_text(limits(a=2))
    with psycopg.connect(pg.url) as person:
        person.execute("UPDATE projects SET git_commit = NULL")
        waiting = Running(pg.url, folder, *APPLY)
        until_waiting(pg)
        time.sleep(0.5)
    waiting.end().ok()
    setting(pg, "statement_timeout", "300ms")
    (folder / "acme.yaml").write_text(limits(a=3))
    with psycopg.connect(pg.url) as person:
        person.execute("UPDATE projects SET git_commit = NULL")
        ended = Running(pg.url, folder, *APPLY).end().ok(1)
    assert "the server cancelled a statement; nothing was written" in ended.err
    assert "statement_timeout" in ended.err


def test_a_server_that_accepts_no_writes(pg: Db, folder: Path) -> None:
    (folder / "acme.yaml").write_text(limits(a=1))
    Running(pg.url, folder, *APPLY).end().ok()
    setting(pg, "default_transaction_read_only", "on")
    (folder / "acme.yaml").write_text(limits(a=2))
    assert "1 to change" in Running(pg.url, folder, "plan").end().ok().out
    ended = Running(pg.url, folder, *APPLY).end().ok(1)
    assert "it accepts no writes (a replica, or read-only)" in ended.err


def test_a_pool_without_a_free_connection(pg: Db, pgbouncer: Callable[[str], str], folder: Path) -> None:
    """The proxy answers nothing; the wait is bounded all the same."""
    url = pgbouncer(pg.url)
    (folder / "acme.yaml").write_text(limits(a=1))
    Running(url, folder, *APPLY).end().ok()
    (folder / "acme.yaml").write_text(limits(a=2))
    Running(url, folder, "plan", "--out", "saved.plan").end().ok()
    hogs = [psycopg.connect(url, prepare_threshold=None) for _ in range(5)]
    for hog in hogs:
        hog.execute("SELECT 1")
    with quickly(4):
        ended = Running(url, folder, "apply", "saved.plan", "--auto-approve", "--lock-timeout", "1").end().ok(5)
    assert "no connection could be had in time" in ended.err
    for hog in hogs:
        hog.close()
    Running(url, folder, "apply", "saved.plan", "--auto-approve", "--lock-timeout", "5").end().ok()


# --- SQLite alone


def test_another_program_writes(folder: Path, tmp_path: Path) -> None:
    db = Db(f"sqlite:///{tmp_path}/other.db")

    def apply(*arguments: str) -> Running:
        return Running(db.url, folder, *APPLY, *arguments)

    (folder / "acme.yaml").write_text(limits(a=1))
    apply().end().ok()
    (folder / "acme.yaml").write_text(limits(a=2))
    with closing(sqlite3.connect(db.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with quickly(1):
            ended = apply("--lock-timeout", "1").end().ok(5)
        other.execute("ROLLBACK")
    assert "it is held by unknown" in ended.err
    apply().end().ok()


def test_a_file_system_without_a_write_ahead_log() -> None:
    """SQLite answers with the mode that it keeps; that is no reason to ask for ever."""
    from reconciler.store.connect import _use_wal

    with closing(sqlite3.connect(":memory:")) as memory:
        assert memory.execute("PRAGMA journal_mode=WAL").fetchone() == ("memory",)
        _use_wal(memory, 5)


def test_every_writer_begins_immediate(tmp_path: Path, folder: Path) -> None:
    """What the driver is told by all writers: a plain BEGIN would find out too late that somebody else writes."""
    from sqlalchemy import text

    from reconciler.store.connect import reading, writing
    from reconciler.store.schema import upgrade
    from reconciler.store.url import parse_database

    database = parse_database(f"sqlite:///{tmp_path}/x.db", tmp_path)
    upgrade(database, 5, only_empty=True)
    with writing(database, 1) as connection, connection.begin():
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        other = sqlite3.connect(tmp_path / "x.db", timeout=0)
        with closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        with reading(database) as reader:
            assert reader.execute(text("SELECT count(*) FROM resources")).scalar() == 0

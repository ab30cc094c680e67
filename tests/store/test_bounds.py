"""No exchange with a database outlives its bound, whatever the server, a proxy or another session does."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from reconciler.errors import UsageError
from reconciler.store.bounds import Bounds, bounds_of_environment
from tests.apply.processes import Running, limits, until_locked, until_waiting
from tests.conftest import Db, new_postgres_database, reconciler
from tests.faults.proxy import Fault, Proxy

SHORT = {"RECONCILER_TIMEOUT": "10"}
"""One second for a statement."""
STARTED = 12.0
"""Seconds that a slow machine may take to start a command and to end it, beside what is bounded."""
Through = Callable[[Fault], Proxy]


@pytest.fixture
def pg(postgres_server: str, folder: Path) -> Db:
    """A database in which limits are live, and another one is wanted."""
    db = Db(new_postgres_database(postgres_server))
    (folder / "acme.yaml").write_text(limits(a=1))
    Running(db.url, folder, "apply", "--auto-approve").end().ok()
    (folder / "acme.yaml").write_text(limits(a=2))
    return db


@pytest.fixture
def through(pg: Db) -> Iterator[Through]:
    made: list[Proxy] = []

    def start(fault: Fault) -> Proxy:
        made.append(Proxy(pg.url, fault))
        return made[-1]

    yield start
    for proxy in made:
        proxy.close()


@pytest.mark.parametrize("command", ["plan", "drift", "list", "apply --auto-approve"])
@pytest.mark.parametrize("at", ["statement", "FROM resources|commit"])
def test_a_server_that_stops_to_answer(pg: Db, through: Through, folder: Path, command: str, at: str) -> None:
    """From the first statement on, or in the middle of the command."""
    proxy = through(Fault("black hole", "statement", nth=1 if at == "statement" else 9))
    started = time.monotonic()
    ended = Running(proxy.url, folder, *command.split(), **SHORT).end(timeout=STARTED + 25)
    assert proxy.hits or ended.code == 0, "the fault did not happen"
    if proxy.hits:
        assert ended.code in {1, 5, 9}, ended.text
        assert "no answer within" in ended.err or "could be had in time" in ended.err or "can't connect" in ended.err
    assert time.monotonic() - started < STARTED + 25
    assert pg.sql("SELECT count(*) FROM generations") == [(1,)]


def test_plan_behind_an_exclusive_lock_names_who_has_it(pg: Db, folder: Path) -> None:
    with psycopg.connect(pg.url, application_name="night shift") as person:
        person.execute("LOCK TABLE resources IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        own = {"RECONCILER_DATABASE_URL": pg.url, "RECONCILER_PROJECT": "shop", **SHORT}
        ended = reconciler("plan", cwd=folder, env=own).ok(5)
        assert time.monotonic() - started < STARTED
    assert "is locked by another program, night shift (role postgres, server process" in ended.err


def test_a_statement_that_runs_for_too_long_is_cancelled_at_the_server(pg: Db, folder: Path) -> None:
    pg.sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$"
    )
    pg.sql("CREATE TRIGGER slow BEFORE UPDATE ON resources FOR EACH ROW EXECUTE FUNCTION slow()")
    # one second for a statement, and the time that a lock may be waited for on top
    ended = Running(pg.url, folder, "apply", "--auto-approve", "--lock-timeout", "1", **SHORT).end().ok(1)
    assert "nothing was written" in ended.err
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND application_name ~ '^reconciler '"
    assert pg.sql(f"{running} AND datname = current_database()") == [(0,)]


def test_the_whole_command_has_one_deadline(pg: Db, folder: Path) -> None:
    """Each statement is quick enough, and all of them together are not."""
    slow = {"RECONCILER_FAILPOINT": "before_stmt:sleep:4:3", "RECONCILER_TIMEOUT": "2"}
    ended = Running(pg.url, folder, "apply", "--auto-approve", "--lock-timeout", "1", **slow).end().ok(1)
    assert "no answer within" in ended.err
    assert "nothing was written" in ended.err
    assert pg.sql("SELECT count(*) FROM generations") == [(1,)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_heard_while_the_server_is_silent(
    pg: Db, through: Through, folder: Path, number: signal.Signals
) -> None:
    proxy = through(Fault("black hole", "statement", nth=3))
    waiting = Running(proxy.url, folder, "plan")
    while not proxy.hits:
        time.sleep(0.05)
    time.sleep(0.3)
    started = time.monotonic()
    waiting.send(number)
    ended = waiting.end(timeout=STARTED)
    assert time.monotonic() - started < STARTED
    assert (ended.code, ended.err.strip()) in {
        (130, "Interrupted; nothing was written."),
        (143, "Terminated; nothing was written."),
    }


def test_an_interrupt_while_a_lock_is_waited_for(pg: Db, folder: Path) -> None:
    with psycopg.connect(pg.url) as person:
        person.execute("UPDATE projects SET git_commit = NULL")
        waiting = Running(pg.url, folder, "apply", "--auto-approve")
        until_waiting(pg)
        waiting.send(signal.SIGTERM)
        ended = waiting.end(timeout=STARTED).ok(143)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        assert pg.sql(waits) == [(0,)]
    assert ended.err.splitlines()[-1] == "Terminated; nothing was written."


def test_the_timeouts_of_a_role_stand(pg: Db, folder: Path) -> None:
    """A lower one is not raised, and what is set for a transaction ends with it: a pool hands the session on."""
    from sqlalchemy import text

    from reconciler.store.connect import reading
    from reconciler.store.url import parse_database

    name = pg.sql("SELECT current_database()")[0][0]
    with psycopg.connect(pg.url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {name} SET statement_timeout = '3s'")
    names = ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout")
    with reading(parse_database(pg.url, folder)) as connection:
        inside = [connection.execute(text(f"SHOW {name}")).scalar() for name in names]
    assert inside == ["3s", "1min", "10s"]


def test_bounds_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bounds_of_environment() == Bounds()
    monkeypatch.setenv("RECONCILER_TIMEOUT", "50")
    monkeypatch.setenv("RECONCILER_LOCK_LEASE", "7.5")
    assert bounds_of_environment() == Bounds(connect=10.0, statement=5.0, total=50.0, lease=7.5)
    for wrong in ("0", "-1", "soon", "1e9", "nan"):
        monkeypatch.setenv("RECONCILER_TIMEOUT", wrong)
        with pytest.raises(UsageError, match="RECONCILER_TIMEOUT is not a number of seconds"):
            bounds_of_environment()


def test_a_holder_that_computes_is_let_be(pg: Db, folder: Path) -> None:
    """Shorter than the lease."""
    holder = Running(
        pg.url, folder, "apply", "--auto-approve", RECONCILER_FAILPOINT="after_lock:sleep:3", RECONCILER_LOCK_LEASE="20"
    )
    until_locked(pg)
    Running(pg.url, folder, "apply", "--auto-approve", RECONCILER_LOCK_LEASE="20").end().ok()
    assert "1 changed" in holder.end().ok().out

"""A stopped applier holds PostgreSQL's lock for no longer than its lease, and writes nothing once it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apply.processes import Running, limits, until_locked
from tests.conftest import PATIENCE, Db, command_environment, new_postgres_database

LEASE = {"RECONCILER_LOCK_LEASE": "2"}
APPLY = ("apply", "--auto-approve")

STOPS_IN_A_COPY = """
import os, signal, sys
from pathlib import Path
from reconciler.store import bulk

def stopping(rows):
    for number, row in enumerate(rows):
        if number == 700:
            print("stops", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
        yield row

copy = bulk._copy
bulk._copy = lambda connection, table, names, rows: copy(connection, table, names, stopping(rows))
from reconciler.cli import main
main()
"""


@pytest.fixture
def pg(postgres_server: str, folder: Path) -> Db:
    db = Db(new_postgres_database(postgres_server))
    (folder / "acme.yaml").write_text(limits(a=1))
    Running(db.url, folder, *APPLY).end().ok()
    return db


@pytest.mark.parametrize("failpoint", ["after_lock:sleep:1", "before_stmt:sleep:1:9", "before_commit:sleep:1"])
def test_stopped_between_statements(pg: Db, folder: Path, failpoint: str) -> None:
    (folder / "acme.yaml").write_text(limits(a=2))
    stopped = Running(pg.url, folder, *APPLY, **LEASE, RECONCILER_FAILPOINT=failpoint)
    until_locked(pg)
    stopped.send(signal.SIGSTOP)
    (folder / "acme.yaml").write_text(limits(a=3))
    started = time.monotonic()
    Running(pg.url, folder, *APPLY, **LEASE).end().ok()
    assert time.monotonic() - started < 20
    stopped.send(signal.SIGCONT)
    ended = stopped.end().ok(1)
    assert "nothing was written" in ended.err
    assert pg.rows()["acme/limit/a"]["requests"] == 3
    assert pg.sql("SELECT number FROM generations ORDER BY 1") == [(1,), (2,)]


@pytest.fixture
def stopped_in_a_copy(pg: Db, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """An apply of a thousand limits that stops in the middle of their COPY: no timeout of the server ends that.

    Its own lease is long, so that a slow machine reaches the COPY; the lease of whoever waits ends it.
    """
    (folder / "acme.yaml").write_text(limits(a=1, **{f"l{i}": 1 for i in range(1000)}))
    own = {"RECONCILER_DATABASE_URL": pg.url, "RECONCILER_PROJECT": "shop", "RECONCILER_LOCK_LEASE": "30"}
    process = subprocess.Popen(
        [sys.executable, "-c", STOPS_IN_A_COPY, *APPLY, "--quiet"],
        cwd=folder,
        env=command_environment(own),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def test_stopped_inside_of_a_copy(pg: Db, folder: Path, stopped_in_a_copy: subprocess.Popen[str]) -> None:
    assert stopped_in_a_copy.stdout is not None
    assert any("stops" in line for line in stopped_in_a_copy.stdout)
    (folder / "acme.yaml").write_text(limits(a=3))
    second = Running(pg.url, folder, *APPLY, **LEASE).end(15 * PATIENCE).ok()
    assert "Waiting for the lock, held by reconciler" in second.err
    os.kill(stopped_in_a_copy.pid, signal.SIGCONT)
    _, err = stopped_in_a_copy.communicate(timeout=30)
    assert stopped_in_a_copy.returncode == 1
    assert "nothing was written" in err
    assert {address: body["requests"] for address, body in pg.rows().items()} == {"acme/limit/a": 3}


def test_a_session_of_somebody_else_is_never_ended(pg: Db, folder: Path) -> None:
    import psycopg

    (folder / "acme.yaml").write_text(limits(a=2))
    with psycopg.connect(pg.url, application_name="night shift") as person:
        person.execute("UPDATE projects SET git_commit = NULL")
        ended = Running(pg.url, folder, *APPLY, "--lock-timeout", "5", RECONCILER_LOCK_LEASE="1").end().ok(5)
        person.execute("SELECT 1")
    assert "held by night shift (role postgres, server process" in ended.err


def test_a_stopped_holder_of_a_file_is_named_with_what_to_do(tmp_path: Path, folder: Path) -> None:
    """Nobody can take a file's lock from a process."""
    db = Db(f"sqlite:///{tmp_path}/live.db")
    (folder / "acme.yaml").write_text(limits(a=1))
    Running(db.url, folder, *APPLY).end().ok()
    (folder / "acme.yaml").write_text(limits(a=2))
    stopped = Running(db.url, folder, *APPLY, RECONCILER_FAILPOINT="after_lock:sleep:2")
    until_locked(db)
    stopped.send(signal.SIGSTOP)
    try:
        ended = Running(db.url, folder, *APPLY, "--lock-timeout", "1").end().ok(5)
    finally:
        stopped.send(signal.SIGCONT)
    pid = ended.err.partition("(process ")[2].partition(" ")[0]
    assert f"which is stopped: `kill -CONT {pid}` lets it go on, `kill -KILL {pid}` ends it" in ended.err
    assert "1 changed" in stopped.end().ok().out

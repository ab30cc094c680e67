"""Databases that hang, vanish or change under a running server: no access, said by `/readyz`, until they are back."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.conftest import Db, new_postgres_database
from tests.faults.proxy import Fault, Proxy
from tests.runtime.servers import Served, free_port, settings, start, world_with_data
from tests.runtime.worlds import apply
from tests.store.support import cli_on

NEVER = Fault("black hole", at="connect", nth=10**9)


@pytest.fixture
def pg(postgres_server: str) -> Db:
    return Db(new_postgres_database(postgres_server))


@contextmanager
def proxied(db: Db) -> Iterator[Proxy]:
    """A way to the database that becomes a black hole by ``hole.set()``."""
    proxy = Proxy(db.url, NEVER)
    try:
        yield proxy
    finally:
        proxy.close()


@contextmanager
def serving(folder: Path, db: Db, control: str = "", store: str = "") -> Iterator[Served]:
    apply(db, folder, world_with_data(folder))
    agents, operators = free_port(), free_port()
    settings(folder, agents, operators)
    key = cli_on(db.url, folder)("keys", "issue", "acme/bot").ok().out.strip()
    process = start(folder, Db(control or db.url), agents, operators, store=store)
    urls = [f"http://127.0.0.1:{port}" for port in (agents, operators)]
    try:
        yield Served(process, folder, db, *urls, key, folder / "serve.log")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert "Traceback" not in (folder / "serve.log").read_text()


def answer(server: Served) -> int:
    return server.call("top", region="eu").status_code


def ready(server: Served) -> str:
    return httpx.get(f"{server.agents}/readyz", timeout=5).text.strip()


def until(server: Served, status: int, seconds: float, said: str = "ready") -> None:
    """Calls and `/readyz` say the same: they ask one judge."""
    server.until(lambda: answer(server) == status, seconds)
    server.until(lambda: ready(server) == said, 2.0)


def ends_in_time(server: Served) -> None:
    began = time.monotonic()
    os.killpg(server.process.pid, signal.SIGTERM)
    server.process.wait(15)
    assert time.monotonic() - began < 10


@contextmanager
def locked(db: Db) -> Iterator[None]:
    with psycopg.connect(db.url) as connection:
        connection.execute("LOCK TABLE projects, status_counter IN ACCESS EXCLUSIVE MODE")
        yield


def test_a_control_database_in_a_black_hole(pg: Db, folder: Path) -> None:
    with proxied(pg) as proxy, serving(folder, pg, proxy.url) as server:
        assert (answer(server), ready(server)) == (200, "ready")
        proxy.hole.set()
        until(server, 503, 8, "stale")
        proxy.heal()
        until(server, 200, 8)


def test_a_server_ends_while_the_control_database_is_in_a_black_hole(pg: Db, folder: Path) -> None:
    with proxied(pg) as proxy, serving(folder, pg, proxy.url) as server:
        proxy.hole.set()
        time.sleep(1)
        ends_in_time(server)


def test_a_control_database_behind_a_lock(pg: Db, folder: Path) -> None:
    with serving(folder, pg) as server:
        with locked(pg):
            until(server, 503, 8, "stale")
        until(server, 200, 8)
        with locked(pg):
            time.sleep(1)
            ends_in_time(server)


def test_a_stopped_backend_is_left_for_another_one(pg: Db, folder: Path) -> None:
    """Access goes on: the hung connection is dropped before what is in force is too old."""
    with serving(folder, pg) as server:
        ((pid,),) = pg.sql(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        os.kill(pid, signal.SIGSTOP)
        try:
            ends = time.monotonic() + 6
            while time.monotonic() < ends:
                assert answer(server) == 200
                time.sleep(0.2)
            cli_on(pg.url, folder)("freeze", "acme/template/top", "--reason", "x").ok()
            server.until(lambda: answer(server) == 404, 2)
            ends_in_time(server)
        finally:
            os.kill(pid, signal.SIGCONT)


def test_evidence_in_a_black_hole(db: Db, pg: Db, folder: Path) -> None:
    with proxied(pg) as proxy, serving(folder, db, store=proxy.url) as server:
        assert answer(server) == 200
        proxy.hole.set()
        began = time.monotonic()
        assert answer(server) == 503
        assert time.monotonic() - began < 5
        until(server, 503, 1, "no evidence")
        proxy.heal()
        until(server, 200, 12)


def test_a_server_ends_while_evidence_is_in_a_black_hole(pg: Db, folder: Path, tmp_path: Path) -> None:
    control = Db(f"sqlite:///{tmp_path}/state.db")
    with proxied(pg) as proxy, serving(folder, control, store=proxy.url) as server:
        assert answer(server) == 200
        proxy.hole.set()
        assert answer(server) == 503
        ends_in_time(server)


@pytest.fixture
def sqlite(folder: Path, tmp_path: Path) -> Iterator[Served]:
    with serving(folder, Db(f"sqlite:///{tmp_path}/state.db")) as server:
        assert (answer(server), ready(server)) == (200, "ready")
        yield server


def move(server: Served, to: str) -> None:
    for end in ("", "-wal", "-shm"):
        file = server.folder / f"runtime.db{end}"
        if file.exists():
            file.rename(server.folder / f"{to}{end}")


def test_a_store_that_was_moved_away_and_back(sqlite: Served) -> None:
    move(sqlite, "elsewhere.db")
    until(sqlite, 503, 1, "no evidence")
    assert not (sqlite.folder / "runtime.db").exists()
    for end in ("-wal", "-shm", ""):
        file = sqlite.folder / f"elsewhere.db{end}"
        if file.exists():
            file.rename(sqlite.folder / f"runtime.db{end}")
    until(sqlite, 200, 2)


def test_readiness_is_asked_without_any_call(sqlite: Served) -> None:
    move(sqlite, "elsewhere.db")
    sqlite.until(lambda: ready(sqlite) == "no evidence", 3)


def test_a_second_server_on_another_file_of_the_same_name(sqlite: Served) -> None:
    """Each would count its own limits: the first one refuses, and the second one serves."""
    move(sqlite, "elsewhere.db")
    agents, operators = free_port(), free_port()
    settings(sqlite.folder, agents, operators)
    second = start(sqlite.folder, sqlite.db, agents, operators)
    try:
        until(sqlite, 503, 1, "no evidence")
        assert httpx.get(f"http://127.0.0.1:{agents}/readyz", timeout=5).text == "ready\n"
    finally:
        os.killpg(second.pid, signal.SIGTERM)
        second.wait(15)


def test_the_content_of_another_store_under_the_same_file(sqlite: Served, tmp_path: Path) -> None:
    """As `cp` does it: the file stays, and what is in it does not."""
    cli_on(sqlite.db.url, sqlite.folder)("evidence", "prepare", "--store", f"sqlite:///{tmp_path}/other.db").ok()
    with sqlite3.connect(sqlite.folder / "runtime.db") as own:
        own.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(tmp_path / "other.db", sqlite.folder / "runtime.db")
    until(sqlite, 503, 2, "no evidence")


def test_a_control_database_that_is_gone(sqlite: Served) -> None:
    sqlite.db.path.rename(sqlite.folder / "gone.db")
    until(sqlite, 503, 8, "stale")
    (sqlite.folder / "gone.db").rename(sqlite.db.path)
    until(sqlite, 200, 3)


@pytest.mark.parametrize("kind", ["tables", "database"])
def test_a_postgresql_store_that_lost_its_content(
    pg: Db, postgres_server: str, folder: Path, tmp_path: Path, kind: str
) -> None:
    """Nothing is made anew in its place: limits would begin at zero."""
    with serving(folder, Db(f"sqlite:///{tmp_path}/state.db"), store=pg.url) as server:
        assert answer(server) == 200
        if kind == "tables":
            pg.sql("DROP SCHEMA public CASCADE")
            pg.sql("CREATE SCHEMA public")
        else:
            ((name,),) = pg.sql("SELECT current_database()")
            with psycopg.connect(postgres_server, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
                connection.execute(f"CREATE DATABASE {name}")
        until(server, 503, 1, "no evidence")
        for _ in range(3):  # each opens a connection anew, the first ones may still meet what is being dropped
            time.sleep(0.3)
            assert answer(server) == 503
        assert pg.sql("SELECT 1 FROM pg_class WHERE relname = 'intents'") == []
        cli_on(server.db.url, folder)("evidence", "prepare", "--store", pg.url).ok()  # another store of this name
        until(server, 503, 1, "no evidence")
        assert pg.sql("SELECT count(*) FROM intents") == [(0,)]


def test_a_postgresql_store_that_became_another(pg: Db, folder: Path, tmp_path: Path) -> None:
    """In one statement too, which writes what needs no look at the store: its tables are there, and they are another's."""
    with serving(folder, Db(f"sqlite:///{tmp_path}/state.db"), store=pg.url) as server:
        assert [answer(server), answer(server)] == [200, 200]
        before = pg.sql("SELECT count(*) FROM intents")
        pg.sql("UPDATE settings SET value = 'another' WHERE name = 'values_key'")
        assert answer(server) == 503
        assert pg.sql("SELECT count(*) FROM intents") == before

"""SQLite files and calls that are not what they seem: links, pipes, locks, late cancellations."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Connection, Failed
from reconciler.runtime.connectors.sqlite import _Turn
from tests.runtime.calls import call
from tests.runtime.connectors.hostile import INSERT
from tests.runtime.connectors.support import (
    TEXT,
    ran,
    sqlite_place,
    template,
    with_connection,
)


def test_a_cancelled_write_is_not_written_later(tmp_path: Path) -> None:
    """All threads are taken, and it waits; whoever cancels it has to be right that nothing happened."""
    place = sqlite_place(tmp_path)
    endless = template("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n")

    async def work(connection: Connection, connector: Resource) -> None:
        busy = asyncio.create_task(connection.run(call(connector, endless, {}, 0.5)))
        await asyncio.sleep(0.1)
        late = call(connector, INSERT, {}, 0.2)
        waiting = asyncio.create_task(connection.run(call(connector, INSERT, {}, 30.0)))
        with pytest.raises(Failed) as caught:
            await connection.run(late)
        assert caught.value.outcome == "timeout"
        waiting.cancel()
        await asyncio.gather(busy, waiting, return_exceptions=True)
        answer = await connection.run(
            call(connector, template("SELECT count(*) AS n FROM customers WHERE id = 50"), {})
        )
        assert answer.content == [{"n": 0}]

    with_connection(place, work, read_only=False, pool_size=1)


def test_a_thread_looks_at_the_clock_itself(tmp_path: Path) -> None:
    endless = template("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0")

    async def work(connection: Any, connector: Resource) -> None:
        with pytest.raises(Failed) as caught:
            connection._run(call(connector, endless, {}, 60.0), _Turn(time.monotonic() + 0.2))
        assert caught.value.outcome == "timeout"

    with_connection(sqlite_place(tmp_path), work)


def test_who_cancels_first_is_right(tmp_path: Path) -> None:
    place = sqlite_place(tmp_path)

    async def main() -> None:
        stopped, one = _Turn(time.monotonic() + 9), call(place.connector(), INSERT, {})
        stopped.stop()
        with pytest.raises(Failed):
            stopped.commit(one)
        assert one.effect is False
        committing = _Turn(time.monotonic() + 9)
        committing.commit(one)
        committing.stop()
        assert one.effect is True

    asyncio.run(main())


def test_a_file_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
    place = sqlite_place(root)
    sqlite_place(outside)

    async def work(connection: Connection, connector: Resource) -> None:
        counted = template("SELECT count(*) AS n FROM customers")
        assert (await connection.run(call(connector, counted, {}))).content == [{"n": 3}]
        (root / "data.db").unlink()
        (root / "data.db").symlink_to(outside / "data.db")
        with pytest.raises(Failed) as caught:
            await connection.run(call(connector, counted, {}))
        assert (caught.value.code, caught.value.outcome) == ("file-not-permitted", "blocked")

    with_connection(place, work)


def test_a_file_that_is_exchanged_while_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
    place = sqlite_place(root)
    sqlite_place(outside)
    real = sqlite3.connect

    def exchanging(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        (outside / "data.db").replace(root / "data.db")
        return real(*args, **kwargs)

    monkeypatch.setattr("reconciler.runtime.connectors.sqlite.sqlite3.connect", exchanging)
    answer = ran(place, "SELECT count(*) AS n FROM customers")
    assert isinstance(answer, Failed)
    assert answer.code == "file-not-permitted"


def test_what_is_no_file_and_what_is_no_database(tmp_path: Path) -> None:
    place = sqlite_place(tmp_path)
    os.mkfifo(tmp_path / "pipe.db")  # to open it would wait for ever
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "text.db").write_text("CANARY" * 1000)
    for name in ("pipe.db", "folder.db", "text.db"):
        answer = ran(place, "SELECT id FROM customers", connector={"database": str(tmp_path / name)})
        assert isinstance(answer, Failed)
        assert answer.code == "unreachable"
        assert "CANARY" not in str(answer)


def test_a_lock_is_waited_for_until_the_deadline(tmp_path: Path) -> None:
    place = sqlite_place(tmp_path)
    other = sqlite3.connect(tmp_path / "data.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        begun = time.monotonic()
        answer = ran(place, "SELECT id FROM customers", seconds=0.2)
    finally:
        other.close()
    assert isinstance(answer, Failed)
    assert (answer.outcome, time.monotonic() - begun < 4) == ("timeout", True)


def test_a_match_that_nothing_interrupts_holds_nobody(tmp_path: Path) -> None:
    place = sqlite_place(tmp_path)
    sql = "SELECT printf('%.1000000c', 'a') LIKE :v AS a"
    begun = time.monotonic()
    answer = ran(place, sql, {"v": "%" + "a" * 900 + "b"}, {"v": TEXT}, seconds=0.2)
    assert isinstance(answer, Failed)
    assert (answer.outcome, time.monotonic() - begun < 3) == ("timeout", True)
    assert isinstance(ran(place, sql, {"v": "%" + "a" * 1000 + "b"}, {"v": TEXT}), Failed)

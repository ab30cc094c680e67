"""Reads of SQLite files on the event loop: which come there, and that nothing holds the loop."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Connection
from reconciler.runtime.connectors import sqlite, sqlite_on_loop
from tests.runtime.calls import call
from tests.runtime.connectors.support import TEXT, sqlite_place, template, told, with_connection

NUMBER = {"n": {"type": "integer"}}
BY_ID = template("SELECT name FROM customers WHERE id = :n", NUMBER)
COUNT_TO = template(
    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < :n) SELECT max(i) AS i FROM c", NUMBER
)
HELD = 0.25
"""Seconds between two turns of a loop that nothing holds, on a machine with much else to do."""


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One number for each read in a thread from now on."""
    found: list[int] = []
    before = sqlite._Sqlite._read

    def read(self: Any, *arguments: Any) -> Answer:
        found.append(1)
        return before(self, *arguments)

    monkeypatch.setattr(sqlite._Sqlite, "_read", read)
    return found


async def longest_turn(work: Awaitable[Any]) -> tuple[float, Any]:
    """Return the longest time between two turns of the event loop while it waits for something, and what came of that."""
    task, longest, last = asyncio.ensure_future(work), 0.0, time.monotonic()
    while not task.done():
        await asyncio.sleep(0.001)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    return longest, task.result()


def asks(tmp_path: Path, work: Callable[[Connection, Resource], Awaitable[None]]) -> None:
    with_connection(sqlite_place(tmp_path), work)


def test_what_is_quick_asks_a_thread_once(tmp_path: Path, threads: list[int]) -> None:
    async def work(connection: Connection, connector: Resource) -> None:
        for number, name in [(1, "Ann"), (2, "Bob"), (3, "Cid"), (1, "Ann")]:
            assert await told(connection, connector, BY_ID, {"n": number}) == [{"name": name}]

    asks(tmp_path, work)
    assert len(threads) == 1


UNINTERRUPTIBLE = [
    "SELECT count(*) AS c FROM customers",
    "SELECT name FROM customers WHERE name LIKE '%' || :n",
    "SELECT replace(name, 'a', :n) AS c FROM customers",
    "SELECT value FROM json_each('[1]') WHERE value <> :n",
    "SELECT group_concat(name) AS c FROM customers",
]


@pytest.mark.parametrize("sql", UNINTERRUPTIBLE)
def test_a_step_without_a_bound_stays_in_threads(tmp_path: Path, sql: str, threads: list[int]) -> None:
    what = template(sql, NUMBER if ":n" in sql else None)

    async def work(connection: Connection, connector: Resource) -> None:
        for _ in range(3):
            assert isinstance(await told(connection, connector, what, {"n": 2} if ":n" in sql else {}), list)

    asks(tmp_path, work)
    assert len(threads) == 3


def test_what_becomes_slow_goes_on_in_a_thread(tmp_path: Path, threads: list[int]) -> None:
    async def work(connection: Connection, connector: Resource) -> None:
        for _ in range(3):
            assert await told(connection, connector, COUNT_TO, {"n": 5}) == [{"i": 5}]
        assert len(threads) == 1
        held, found = await longest_turn(told(connection, connector, COUNT_TO, {"n": 2_000_000}))
        assert found == [{"i": 2_000_000}]
        assert held < HELD
        assert len(threads) == 2
        assert await told(connection, connector, COUNT_TO, {"n": 5}) == [{"i": 5}]
        assert len(threads) == 3  # the event loop tries it no more, for a while

    asks(tmp_path, work)


def test_a_lock_is_waited_for_in_a_thread(tmp_path: Path, threads: list[int]) -> None:
    async def work(connection: Connection, connector: Resource) -> None:
        for _ in range(2):
            await told(connection, connector, BY_ID, {"n": 1})
        writer = sqlite3.connect(tmp_path / "data.db", isolation_level=None)
        writer.execute("BEGIN EXCLUSIVE")
        asyncio.get_running_loop().call_later(0.5, writer.close)
        held, found = await longest_turn(told(connection, connector, BY_ID, {"n": 1}))
        assert found == [{"name": "Ann"}]
        assert held < HELD
        assert len(threads) == 2

    asks(tmp_path, work)


def test_another_schema_is_judged_anew(tmp_path: Path, threads: list[int]) -> None:
    place = sqlite_place(tmp_path)

    async def work(connection: Connection, connector: Resource) -> None:
        for _ in range(2):
            await told(connection, connector, BY_ID, {"n": 1})
        place.sql("ALTER TABLE customers RENAME TO others")
        place.sql("CREATE VIEW customers AS SELECT id, hex(replace(name, 'A', 'a')) AS name FROM others")
        for _ in range(3):
            assert await told(connection, connector, BY_ID, {"n": 1}) == [{"name": "616E6E"}]

    with_connection(place, work)
    assert len(threads) == 4


def test_another_file_of_the_name_is_read(tmp_path: Path) -> None:
    place = sqlite_place(tmp_path)
    other = tmp_path / "other.db"
    shutil.copy(tmp_path / "data.db", other)
    with sqlite3.connect(other) as changed:
        changed.execute("UPDATE customers SET name = 'New'")
    changed.close()

    async def work(connection: Connection, connector: Resource) -> None:
        for _ in range(3):
            assert await told(connection, connector, BY_ID, {"n": 1}) == [{"name": "Ann"}]
        os.replace(other, tmp_path / "data.db")
        for _ in range(3):
            assert await told(connection, connector, BY_ID, {"n": 1}) == [{"name": "New"}]
        (tmp_path / "data.db").unlink()
        assert await told(connection, connector, BY_ID, {"n": 1}) == "unreachable"

    with_connection(place, work)


def test_a_file_that_is_slow_to_read_is_left_to_threads(
    tmp_path: Path, threads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(connection: Connection, connector: Resource) -> None:
        for _ in range(3):
            await told(connection, connector, BY_ID, {"n": 1})
        assert len(threads) == 1
        monkeypatch.setattr(sqlite_on_loop, "MOST_SECONDS", 1e-9)
        for _ in range(3):
            assert await told(connection, connector, BY_ID, {"n": 1}) == [{"name": "Ann"}]
        assert 3 <= len(threads) <= 4

    asks(tmp_path, work)


def test_long_values_are_left_to_threads(tmp_path: Path, threads: list[int]) -> None:
    place = sqlite_place(tmp_path)
    place.sql(f"INSERT INTO customers VALUES (7, '{'x' * 100_000}', 'eu')")
    by_region = template("SELECT length(name) AS n FROM customers WHERE region = :r AND id > 3", {"r": TEXT})

    async def work(connection: Connection, connector: Resource) -> None:
        for _ in range(2):
            assert await told(connection, connector, by_region, {"r": "us"}) == []
        assert len(threads) == 1
        assert await told(connection, connector, by_region, {"r": "eu"}) == [{"n": 100_000}]
        assert len(threads) == 2

    with_connection(place, work)


def test_values_and_caps_are_judged_as_in_threads(tmp_path: Path) -> None:
    cut = template("SELECT name FROM customers WHERE id > :n", NUMBER, max_rows=1)
    small = template("SELECT name FROM customers WHERE id > :n", NUMBER, max_result_bytes=20)

    async def work(connection: Connection, connector: Resource) -> None:
        for _ in range(3):
            answer = await connection.run(call(connector, cut, {"n": 0}))
            assert (answer.content, answer.cut) == ([{"name": "Ann"}], True)
            assert await told(connection, connector, small, {"n": 2}) == [{"name": "Cid"}]
        assert await told(connection, connector, small, {"n": 0}) == "too-large"
        place.sql("DROP TABLE customers")  # nothing holds a lock

    place = sqlite_place(tmp_path)
    with_connection(place, work)

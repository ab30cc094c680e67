"""A SQLite connection that is used again: it tells what is in the file that is there, and belongs to one call at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Connection
from reconciler.runtime.connectors import sqlite
from reconciler.runtime.connectors.sql import open_sql
from tests.runtime.calls import call
from tests.runtime.connectors.support import sqlite_place, template, told, with_connection

LIST = {"ids": {"type": "array", "items": "integer"}}
ASKED: list[tuple[Resource, dict[str, Any]]] = [
    (template("SELECT * FROM customers ORDER BY 1"), {}),
    (template("SELECT name FROM customers WHERE id IN (SELECT value FROM json_each(:ids))", LIST), {"ids": [1, 3]}),
]
CHANGES = [
    "ALTER TABLE customers RENAME COLUMN name TO title",
    "ALTER TABLE customers ADD COLUMN more DEFAULT 7",
    "ALTER TABLE customers DROP COLUMN region",
    "ALTER TABLE customers RENAME TO others",
    "DROP TABLE customers",
    "DELETE FROM customers",
    "CREATE TABLE json_each (value)",
    "VACUUM",
]


@pytest.mark.parametrize("mode", ["delete", "wal"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_was_asked_before_a_change_tells_what_is_there(tmp_path: Path, change: str, mode: str) -> None:
    place = sqlite_place(tmp_path)
    place.sql(f"PRAGMA journal_mode={mode}")

    async def work(connection: Connection, connector: Resource) -> None:
        before = [await told(connection, connector, what, values) for what, values in ASKED * 2]
        assert before[:2] == before[2:]
        place.sql(change)
        fresh = await open_sql("acme", connector, place.around)
        expected = [await told(fresh, connector, what, values) for what, values in ASKED]
        await fresh.close()
        for _ in range(2):
            assert [await told(connection, connector, what, values) for what, values in ASKED] == expected

    with_connection(place, work, pool_size=1)


def test_another_file_in_its_place_is_read(tmp_path: Path) -> None:
    place = sqlite_place(tmp_path)
    other = tmp_path / "other.db"
    shutil.copy(tmp_path / "data.db", other)
    with sqlite3.connect(other) as changed:
        changed.execute("UPDATE customers SET name = 'New'")
    changed.close()

    async def work(connection: Connection, connector: Resource) -> None:
        what = template("SELECT DISTINCT name FROM customers WHERE id = 1")
        assert await told(connection, connector, what, {}) == [{"name": "Ann"}]
        os.replace(other, tmp_path / "data.db")
        assert await told(connection, connector, what, {}) == [{"name": "New"}]
        (tmp_path / "data.db").unlink()
        assert await told(connection, connector, what, {}) == "unreachable"

    with_connection(place, work, pool_size=1)


def test_it_holds_no_lock_while_nobody_asks(tmp_path: Path) -> None:
    place = sqlite_place(tmp_path)
    cut = template("SELECT * FROM customers", max_rows=1)

    async def work(connection: Connection, connector: Resource) -> None:
        answer = await connection.run(call(connector, cut, {}))
        assert (answer.rows, answer.cut) == (1, True)
        place.sql("BEGIN EXCLUSIVE")
        place.sql("DROP TABLE customers")

    with_connection(place, work, pool_size=1)


def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modes in which files are opened from now on."""
    modes: list[str] = []
    before = sqlite._Sqlite._open

    def counted(self: Any, real: str, identity: tuple[int, int], mode: str) -> sqlite3.Connection:
        modes.append(mode)
        return before(self, real, identity, mode)

    monkeypatch.setattr(sqlite._Sqlite, "_open", counted)
    return modes


def test_reads_share_connections_and_writes_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, modes = sqlite_place(tmp_path), opened(monkeypatch)
    add = template("INSERT INTO customers VALUES (9, 'x', 'y')", read_only=False)

    async def work(connection: Connection, connector: Resource) -> None:
        await asyncio.gather(*(told(connection, connector, *ASKED[0]) for _ in range(40)))
        assert 1 <= len(modes) <= 5  # one of them is the event loop's
        assert await told(connection, connector, template("SELECT nonsense FROM customers"), {}) == "query-failed"
        modes.clear()
        for _ in range(3):
            await told(connection, connector, add, {})
        assert modes == ["rw"] * 3

    with_connection(place, work, pool_size=4, read_only=False)


def test_a_call_that_is_cancelled_ends_no_other(tmp_path: Path) -> None:
    place = sqlite_place(tmp_path)
    slow = template(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) SELECT count(*) AS c FROM n"
    )

    async def work(connection: Connection, connector: Resource) -> None:
        async def cancelled(after: float) -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(after):
                    while True:
                        await connection.run(call(connector, slow, {}))

        async def whole() -> None:
            for _ in range(30):
                answer = await connection.run(call(connector, slow, {}))
                assert isinstance(answer, Answer)
                assert answer.content == [{"c": 30000}]

        await asyncio.gather(whole(), *(cancelled(0.01 * number) for number in range(1, 30)))

    with_connection(place, work, pool_size=3)


def test_who_cancels_late_interrupts_nobody() -> None:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    late, now = sqlite._Turn(float("inf")), sqlite._Turn(float("inf"))
    late.begin(connection)
    late.end()
    now.begin(connection)
    calls: list[int] = []

    def in_the_middle() -> int:
        calls.append(1)
        late.stop()
        return 1

    connection.create_function("middle", 0, in_the_middle)
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) SELECT middle(), count(*) FROM n"
    assert connection.execute(slow).fetchall() == [(1, 9000)]
    assert (late.over, now.over, calls) == (True, False, [1])
    connection.close()

"""Caps on rows, cells and time: what is above them stays where it is."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Connection, Failed
from reconciler.runtime.connectors.sql_common import told
from reconciler.runtime.connectors.sql_rows import Caps
from tests.runtime.calls import call
from tests.runtime.connectors.support import (
    ALIKE,
    Place,
    postgresql_place,
    ran,
    template,
    with_connection,
)


def test_rows_beyond_the_cap_are_cut(place: Place) -> None:
    answer = ran(place, "SELECT id FROM customers ORDER BY id", max_rows=2)
    assert isinstance(answer, Answer)
    assert ([row["id"] for row in answer.content], answer.rows, answer.cut) == ([1, 2], 2, True)
    whole = ran(place, "SELECT id FROM customers ORDER BY id", max_rows=3)
    assert isinstance(whole, Answer)
    assert (whole.rows, whole.cut) == (3, False)


@pytest.mark.parametrize("name", ["a", "a_2"])
def test_names_of_many_columns_are_told_apart_at_once(name: str) -> None:
    """Each number is tried once: 1,900 columns of one name took 19 s, in which other agents waited."""
    columns, begun = ["a", "a_2", *[name] * 1600], time.process_time()
    answer = told(columns, [range(len(columns))], Caps(10, 10**6))
    assert time.process_time() - begun < 8
    assert [*answer.content[0].values()] == [*range(len(columns))]


@pytest.mark.parametrize("place", ALIKE, indirect=True)
@pytest.mark.parametrize("size", [200_000, 50_000_000])
def test_a_cell_that_is_too_large_stays_where_it_is(place: Place, size: int) -> None:
    if place.is_sqlite:
        place.sql(f"INSERT INTO customers VALUES (9, replace(hex(zeroblob({size // 2})), '0', 'x'), 'big')")
        sql = "SELECT name FROM customers WHERE id = 9"
    else:
        sql = f"SELECT repeat('x', {size}) AS big"
    with grows_by_at_most(20_000_000):
        answer = ran(place, sql, max_result_bytes=100_000)
    assert isinstance(answer, Failed)
    assert answer.code == "too-large"


def test_a_large_cell_that_a_write_returns_stays_there_too(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    sql = "UPDATE customers SET name = 'x' WHERE id = 1 RETURNING repeat('x', 50000000) AS big"
    with grows_by_at_most(20_000_000):
        answer = ran(place, sql, connector={"read_only": False}, read_only=False, max_result_bytes=100_000)
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == ("too-large", "failure")
    assert place.sql("SELECT name FROM customers WHERE id = 1") == [("Ann",)]


def test_a_row_that_is_cut_may_be_too_large(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    place.sql(f"UPDATE customers SET name = '{'x' * 5000}' WHERE id = 3")
    answer = ran(place, "SELECT id, name FROM customers ORDER BY id", max_rows=2, max_result_bytes=1000)
    assert isinstance(answer, Answer), answer.code
    assert (answer.rows, answer.cut) == (2, True)


@contextmanager
def grows_by_at_most(size: int) -> Iterator[None]:
    """This process, meanwhile; what it needed before does not count."""

    def told(name: str) -> int:
        return int(Path("/proc/self/status").read_text().partition(f"{name}:")[2].split()[0]) * 1024

    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = told("VmRSS")
    yield
    assert told("VmHWM") - before < size


@pytest.mark.parametrize("place", ALIKE, indirect=True)
def test_what_takes_too_long_is_ended_by_the_server(place: Place) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n"
    begun = time.monotonic()
    answer = ran(place, endless, seconds=0.5)
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == ("timeout", "timeout")
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize("place", ALIKE, indirect=True)
def test_cancelling_ends_the_statement(place: Place) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n"

    async def work(connection: Connection, connector: Resource) -> None:
        task = asyncio.create_task(connection.run(call(connector, template(endless), {}, 60.0)))
        await asyncio.sleep(0.4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if place.is_postgresql:
            for _ in range(50):
                active = place.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'agent' AND state = 'active'")
                if active[0][0] == 0:
                    break
                await asyncio.sleep(0.05)
            assert active[0][0] == 0
        answer = await connection.run(call(connector, template("SELECT 1 AS one"), {}))
        assert answer.content == [{"one": 1}]

    with_connection(place, work)

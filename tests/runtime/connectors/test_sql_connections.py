"""Connections: as new, for a while, and not more than there may be."""

from __future__ import annotations

import asyncio
import time

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Connection, Failed
from reconciler.runtime.connectors.postgresql_session import begin
from tests.runtime.calls import call
from tests.runtime.connectors.support import (
    content,
    postgresql_place,
    ran,
    template,
    with_connection,
)


def test_connections_are_as_new(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)

    async def work(connection: Connection, connector: Resource) -> None:
        for _ in range(3):
            await connection.run(call(connector, template("SELECT 1 AS one"), {}))
        answer = await connection.run(call(connector, template("SELECT count(*) AS n FROM pg_prepared_statements"), {}))
        assert answer.content[0]["n"] <= 2

    with_connection(place, work)
    assert (
        place.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'agent' AND datname = current_database()")[0][
            0
        ]
        <= 1
    )


def test_the_server_ends_by_itself(postgres_server: str) -> None:
    sql = "SELECT " + ", ".join(
        f"(SELECT setting::int FROM pg_settings WHERE name = '{name}') AS {name[:1]}"
        for name in ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
    )
    (row,) = content(ran(postgresql_place(postgres_server), sql, seconds=7.0))
    assert 5000 < row["s"] == row["i"] <= 7000
    assert row["t"] in (None, row["s"] + 500)  # not before PostgreSQL 17
    assert "transaction_timeout" not in begin(1, 16, readonly=True)


def test_connections_end_unused_and_old(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place = postgresql_place(postgres_server)
    who = template("SELECT pg_backend_pid() AS pid")
    # where nobody comes soon a connection is made as new, and whoever comes meanwhile gets another one: here all come soon
    for name in ("CLEAN_SECONDS", "REST_SECONDS"):
        monkeypatch.setattr(f"reconciler.runtime.connectors.postgresql.{name}", 60.0)

    async def pids(connection: Connection, connector: Resource) -> list[int]:
        return [(await connection.run(call(connector, who, {}))).content[0]["pid"] for _ in range(3)]

    async def work(connection: Connection, connector: Resource) -> None:
        assert len({*await pids(connection, connector)}) == 1
        # one that the server has ended meanwhile is noticed, and not used
        place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'agent'")
        await asyncio.sleep(0.1)
        assert len({*await pids(connection, connector)}) == 1
        failed = template("SELECT 1 / (id - 1) AS x FROM customers")
        before = await pids(connection, connector)
        with pytest.raises(Failed):
            await connection.run(call(connector, failed, {}))
        assert await pids(connection, connector) == before  # a statement that fails costs no connection
        for name in ("IDLE_SECONDS", "LIFE_SECONDS"):
            with monkeypatch.context() as patch:
                patch.setattr(f"reconciler.runtime.connectors.postgresql.{name}", 0.0)
                assert len({*await pids(connection, connector)}) >= 2

    with_connection(place, work)


def test_closing_leaves_nobody_behind(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'agent'"

    async def work(connection: Connection, connector: Resource) -> None:
        slow = template("SELECT count(*) AS n FROM generate_series(1, 1000000)")
        task = asyncio.create_task(connection.run(call(connector, slow, {})))
        await asyncio.sleep(0.05)
        await connection.close()
        assert (await task).content == [{"n": 1000000}]
        await asyncio.sleep(0.1)
        assert place.sql(open_ones) == [(0,)]

    with_connection(place, work)


def test_waiting_for_a_connection_has_the_same_deadline(postgres_server: str) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n"

    async def work(connection: Connection, connector: Resource) -> None:
        first = asyncio.create_task(connection.run(call(connector, template(endless), {}, 3.0)))
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        with pytest.raises(Failed) as caught:
            await connection.run(call(connector, template("SELECT 1 AS one"), {}, 0.2))
        assert (caught.value.outcome, time.monotonic() - begun < 2.5) == ("timeout", True)
        with pytest.raises(Failed):
            await first
        answer = await connection.run(call(connector, template("SELECT 1 AS one"), {}))
        assert answer.content == [{"one": 1}]

    with_connection(postgresql_place(postgres_server), work, pool_size=1)

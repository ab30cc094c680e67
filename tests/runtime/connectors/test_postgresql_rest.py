"""A connection that waits a moment for the next call: it is as new for that, holds nothing for long, and is one of the pool."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Connection
from reconciler.runtime.connectors import postgresql
from tests.runtime.connectors.support import lists, postgresql_place, template, told, with_connection

NAME = template("SELECT name FROM customers WHERE id = 1")
HOLD = "CREATE FUNCTION hold() RETURNS int LANGUAGE sql AS 'SELECT pg_catalog.pg_advisory_lock(7); SELECT 1'"
LOCK, MAY_LOCK = template("SELECT hold() AS n"), lists(functions=("hold",))
ANN = [{"name": "Ann"}]
_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'agent' AND datname = current_database()"
OPEN = f"{_SESSIONS} AND state LIKE 'idle in transaction%'"
LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7"


@pytest.fixture
def resting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made as new but by the next call."""
    monkeypatch.setattr(postgresql, "REST_SECONDS", 60.0)


def test_nobody_s_transaction_is_open_for_long(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)

    async def work(connection: Connection, connector: Resource) -> None:
        for _ in range(3):
            assert await told(connection, connector, NAME, {}) == ANN
        await asyncio.sleep(0.5)
        assert place.sql(OPEN) == [(0,)]
        assert place.sql(_SESSIONS) == [(1,)]

    with_connection(place, work)


@pytest.mark.usefixtures("resting")
def test_what_a_call_left_is_gone_before_the_next_one(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    place.sql(HOLD)

    async def work(connection: Connection, connector: Resource) -> None:
        assert await told(connection, connector, NAME, {}) == ANN  # prepared
        assert await told(connection, connector, LOCK, {}, MAY_LOCK) == [{"n": 1}]
        assert place.sql(LOCKS) == [(1,)]
        assert await told(connection, connector, NAME, {}) == ANN
        assert place.sql(LOCKS) == [(0,)]
        assert place.sql(_SESSIONS) == [(1,)]

    with_connection(place, work, pool_size=1)


@pytest.mark.usefixtures("resting")
@pytest.mark.parametrize("what", [NAME, template("SELECT id FROM customers WHERE id = 1")], ids=["prepared", "new"])
def test_a_connection_that_was_lost_meanwhile_costs_no_call(postgres_server: str, what: Resource) -> None:
    place = postgresql_place(postgres_server)

    async def work(connection: Any, connector: Resource) -> None:
        assert await told(connection, connector, NAME, {}) == ANN
        session = connection._pool._idle[0][1]
        assert session.used
        place.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'agent' AND datname = current_database()"
        )
        assert isinstance(await told(connection, connector, what, {}), list)

    with_connection(place, work, pool_size=1)


def test_what_is_made_as_new_counts_as_in_use(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)

    async def work(connection: Connection, connector: Resource) -> None:
        for number in range(30):
            assert await told(connection, connector, NAME, {}) == ANN
            await asyncio.sleep(0.0005 * (number % 8))
            assert place.sql(_SESSIONS) == [(1,)]

    with_connection(place, work, pool_size=1)

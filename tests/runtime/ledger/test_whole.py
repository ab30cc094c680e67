"""A batch written by one statement on PostgreSQL: whole or not at all, also while other servers write."""

from __future__ import annotations

import asyncio
import time
from unittest.mock import patch

import psycopg
import pytest

from reconciler.runtime.ledger import postgresql_whole as whole
from reconciler.runtime.ledger.batch import Batch
from reconciler.runtime.ledger.entries import Level
from reconciler.runtime.ledger.postgresql import Postgresql
from tests.conftest import Db, new_postgres_database
from tests.runtime.ledger.support import intent

MONTH = Level("acme", "tenant", "requests", "month", 1000)
KEY = "ab" * 32
SERVERS, BATCHES = 4, 30


@pytest.fixture
def pg(postgres_server: str) -> Db:
    return Db(new_postgres_database(postgres_server))


def batch(cap: int) -> Batch:
    return Batch([intent(levels=(MONTH._replace(cap=cap),))])


def count(pg: Db) -> int:
    return int(pg.sql("SELECT sum(n) FROM counters")[0][0])


def flushed(pg: Db, caps: list[int]) -> list[whole.Written]:
    """Return what the statement made of a batch for each cap, one after the other."""
    seen: list[whole.Written] = []
    write = whole.write

    async def watched(*arguments: object) -> whole.Written:
        seen.append(await write(*arguments))  # type: ignore[arg-type]
        return seen[-1]

    async def main() -> None:
        backend = Postgresql(pg.url)
        await backend.identify(KEY)
        for cap in caps:
            backend._judges_until = 0.0
            await backend.flush(batch(cap))
        await backend.close()

    with patch.object(whole, "write", watched):
        asyncio.run(main())
    return seen


def test_a_new_counter_is_no_refusal(pg: Db) -> None:
    asyncio.run(_new_counter(pg))
    assert count(pg) == 2


async def _new_counter(pg: Db) -> None:
    backend = Postgresql(pg.url)
    await backend.identify(KEY)
    await backend.flush(batch(1000))
    await asyncio.to_thread(pg.sql, "DELETE FROM counters")
    await backend.flush(batch(1000))
    assert backend._judges_until < time.monotonic()
    await backend.flush(batch(1000))
    await backend.close()


def test_a_batch_above_a_cap_writes_nothing(pg: Db) -> None:
    assert flushed(pg, [2, 2, 2]) == [whole.Written.ALL, whole.Written.REFUSED]
    assert count(pg) == 2
    assert pg.sql("SELECT count(*) FROM intents") == [(2,)]


def test_a_cap_reached_by_another_server_meanwhile_holds(pg: Db) -> None:
    """The other server's update is not committed when the statement begins, so no snapshot has it."""

    async def main() -> int:
        backend = Postgresql(pg.url)
        await backend.identify(KEY)
        await backend.flush(batch(5))
        with psycopg.connect(pg.url) as other:
            other.execute("UPDATE counters SET n = 5")
            flush = asyncio.create_task(backend.flush(batch(5)))
            while not pg.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'asked'"):
                await asyncio.sleep(0.01)
        admitted = len((await flush).admitted)
        await backend.close()
        return admitted

    assert asyncio.run(asyncio.wait_for(main(), 20)) == 0
    assert count(pg) == 5
    assert pg.sql("SELECT count(*) FROM intents") == [(1,)]


@pytest.mark.parametrize("cap", [50, 1000])
def test_several_servers_keep_one_limit(pg: Db, cap: int) -> None:
    async def server() -> int:
        backend = Postgresql(pg.url)
        await backend.identify(KEY)
        admitted = 0
        for _ in range(BATCHES):
            backend._judges_until = 0.0  # always try the statement first
            admitted += len((await backend.flush(batch(cap))).admitted)
        await backend.close()
        return admitted

    async def main() -> int:
        return sum(await asyncio.gather(*(server() for _ in range(SERVERS))))

    admitted = asyncio.run(main())
    assert admitted == min(cap, SERVERS * BATCHES)
    assert count(pg) == admitted
    assert pg.sql("SELECT count(*) FROM intents") == [(admitted,)]

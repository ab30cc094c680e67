"""A network that cuts or falls silent at the worst moment: what is said of a call is true, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from reconciler.access.resource import Resource
from reconciler.runtime.call import Connection, Failed
from reconciler.runtime.connectors.sql import open_sql
from tests.runtime.calls import call
from tests.runtime.connectors.hostile import INSERT
from tests.runtime.connectors.support import (
    Place,
    postgresql_place,
    template,
)

Rule = Callable[[bytes], str]
PASS, SILENT, CUT = "pass", "silent", "cut"


@asynccontextmanager
async def between(place: Place, rule: Rule) -> AsyncIterator[tuple[Connection, Resource]]:
    """A connection that writes, through somebody who listens: what the client says decides what becomes of the answers."""
    folder = tempfile.mkdtemp(prefix="px", dir="/tmp")  # short, as a socket's path has to be
    real = f"{place.raw['host']}/.s.PGSQL.5432"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(real)
        mode = [PASS]

        async def up() -> None:
            while data := await reader.read(65536):
                mode[0] = max(mode[0], rule(data), key=(PASS, CUT, SILENT).index)
                if mode[0] != SILENT:
                    to_server.write(data)
            to_server.close()

        async def down() -> None:
            while data := await from_server.read(65536):
                if mode[0] == CUT:
                    break
                if mode[0] == PASS:
                    writer.write(data)
            writer.close()

        tasks = {asyncio.create_task(up()), asyncio.create_task(down())}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
        to_server.close()

    server = await asyncio.start_unix_server(handle, f"{folder}/.s.PGSQL.5432")
    connector = place.connector(host=folder, read_only=False)
    connection = await open_sql("acme", connector, place.around)
    try:
        yield connection, connector
    finally:
        await connection.close()
        server.close()
        await asyncio.sleep(0.05)
        shutil.rmtree(folder)


def outcome(place: Place, rule: Rule, what: Resource, seconds: float = 5.0) -> tuple[str, float]:
    """How one call ended, and after how long."""

    async def main() -> tuple[str, float]:
        async with between(place, rule) as (connection, connector):
            begun = time.monotonic()
            try:
                await connection.run(call(connector, what, {}, seconds))
                said = "success"
            except Failed as error:
                said = error.outcome
            return said, time.monotonic() - begun

    return asyncio.run(main())


def when(word: bytes, mode: str) -> Rule:
    return lambda data: mode if word in data else PASS


@pytest.mark.parametrize(
    ("word", "mode", "said", "rows"),
    [
        (b"COMMIT", CUT, "unknown", 1),  # it was written, and nobody can know
        (b"COMMIT", SILENT, "unknown", 0),
        (b"INSERT", CUT, "failure", 0),
        (b"DISCARD", CUT, "success", 1),  # the answer was there already
        (b"DISCARD", SILENT, "success", 1),
    ],
)
def test_the_outcome_of_a_write_is_true(postgres_server: str, word: bytes, mode: str, said: str, rows: int) -> None:
    place = postgresql_place(postgres_server)
    assert outcome(place, when(word, mode), INSERT, 1.0)[0] == said
    time.sleep(0.1)
    assert place.sql("SELECT count(*) FROM customers WHERE id = 50") == [(rows,)]


@pytest.mark.parametrize("word", [b"user", b"pg_roles", b"BEGIN", b"to_json"])
def test_a_server_that_falls_silent_holds_nobody(postgres_server: str, word: bytes) -> None:
    said, took = outcome(postgresql_place(postgres_server), when(word, SILENT), template("SELECT 1 AS one"), 0.5)
    assert (said, took < 8) == ("timeout", True)


def test_cancelling_comes_back_from_a_silent_server(postgres_server: str) -> None:
    async def main() -> None:
        async with between(postgresql_place(postgres_server), when(b"to_json", SILENT)) as (connection, connector):
            begun = time.monotonic()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await connection.run(call(connector, template("SELECT 1 AS one"), {}, 60.0))
            assert time.monotonic() - begun < 8

    asyncio.run(main())

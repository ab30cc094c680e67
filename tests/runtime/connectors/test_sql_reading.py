"""A statement is read once, aside from the event loop, and bounded; what nobody can see in it is refused."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from reconciler.kinds.template.statement import Statement, inspect
from reconciler.runtime.call import Failed
from reconciler.runtime.connectors.sql_common import Reader
from reconciler.runtime.threads import in_thread
from tests.runtime.calls import call
from tests.runtime.connectors.support import ALIKE, Place, ran, template

LONG = "SELECT " + " + ".join("1" for _ in range(16000)) + " AS x"
"""64 kB of it."""


def test_the_event_loop_goes_on(place: Place) -> None:
    """While 64 kB are parsed, which takes a second, whoever else waits there is served."""
    inspect("SELECT 1", "sqlite")  # sqlglot is imported now

    async def main() -> None:
        connector, turns = place.connector(), 0
        reading = asyncio.create_task(Reader(in_thread).read(call(connector, template(LONG), {}, 60.0)))
        while not reading.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert (await reading).sql == LONG
        assert turns > 3  # one, if the loop itself reads

    asyncio.run(main())


def test_a_large_statement_runs(place: Place) -> None:
    """Where the server reports megabytes of it, too."""
    numbers = ", ".join(str(number) for number in range(9000))
    answer: Any = ran(place, f"SELECT count(*) AS n FROM customers WHERE id IN ({numbers})", seconds=60.0)
    assert answer.content == [{"n": 3}]


def test_a_statement_is_read_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []

    def look(sql: str, _dialect: str) -> Statement:
        seen.append((sql, threading.get_ident()))
        return Statement()

    monkeypatch.setattr("reconciler.runtime.connectors.sql_common.inspect", look)

    async def main() -> None:
        reader, connector = Reader(in_thread), place.connector()
        for _ in range(5):
            await reader.read(call(connector, template("SELECT 1 AS x"), {}))
        await reader.read(call(connector, template("SELECT 2 AS x"), {}))

    asyncio.run(main())
    assert [sql for sql, _ in seen] == ["SELECT 1 AS x", "SELECT 2 AS x"]
    assert threading.get_ident() not in {thread for _, thread in seen}


def test_reading_ends_with_the_call(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr("reconciler.runtime.connectors.sql_common.inspect", lambda *_: release.wait(10) and Statement())

    async def main() -> None:
        with pytest.raises(Failed) as caught:
            await Reader(in_thread).read(call(place.connector(), template("SELECT 1 AS x"), {}, 0.1))
        assert (caught.value.code, caught.value.outcome) == ("timeout", "timeout")
        release.set()

    asyncio.run(main())


def test_a_statement_is_bounded(place: Place) -> None:
    """One that was written into the database by hand may be of any length."""
    one = template("SELECT 1 AS x")
    one.body["sql"] = "SELECT 1 AS x" + " " * 70_000

    async def main() -> None:
        with pytest.raises(Failed, match="65536 characters"):
            await Reader(in_thread).read(call(place.connector(), one, {}))

    asyncio.run(main())


@pytest.mark.parametrize(
    "character", ["\u00a0", "\u200b", "\u200d", "\u2060", "\ufeff", "\u202e", "\u2066", "\u00ad", "\u2028", "\u3000"]
)
def test_what_nobody_sees_is_refused(place: Place, character: str) -> None:
    """As if somebody had written it into the database; manifests are refused by the same judge."""
    one = template("SELECT 1 AS x")
    one.body["sql"] = f"SELECT{character} 1 AS x"

    async def main() -> Any:
        with pytest.raises(Failed) as caught:
            await Reader(in_thread).read(call(place.connector(), one, {}))
        return caught.value

    error = asyncio.run(main())
    assert error.code == "statement-refused"
    assert "line 1, column 7" in str(error)


@pytest.mark.parametrize("place", ALIKE, indirect=True)
def test_the_absolute_value_is_an_operator_of_postgresql(place: Place) -> None:
    answer: Any = ran(place, "SELECT @ id AS x FROM customers WHERE id = 1")
    if place.is_sqlite:
        assert answer.code == "statement-refused"
    else:
        assert answer.content == [{"x": 1}]

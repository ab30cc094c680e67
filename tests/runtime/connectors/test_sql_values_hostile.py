"""Hostile values change nothing: a value is never anything else."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from reconciler.runtime.call import Connection
from tests.runtime.calls import call, resource
from tests.runtime.connectors.hostile import state
from tests.runtime.connectors.support import (
    ALIKE,
    TEXT,
    Place,
    content,
    ran,
    template,
    with_connection,
)


def payloads(count: int) -> list[str]:
    pieces = [
        *(
            "'",
            '"',
            "''",
            "\\",
            "\\'",
            "`",
            ";",
            "--",
            "/*",
            "*/",
            "#",
            "$$",
            "$1",
            "?1",
            ":a",
            "%s",
            "\x01",
            "\n",
            " OR 1=1 ",
        ),
        *(
            " UNION SELECT * FROM customers ",
            "DROP TABLE customers",
            "; DELETE FROM customers",
            "pg_sleep(9)",
            "E'\\047'",
            "U&'\\0027'",
        ),
        *(
            "ü",
            "😀",
            "\u2019",
            "\uff07",
            "0x27",
            "CHR(39)",
            "||",
            "::text",
            "admin",
            "{}",
            "[]",
            "\r\n",
            "\t",
            "NULL",
            "1",
            "%",
            "_",
        ),
    ]
    chosen = random.Random(7)
    return ["".join(chosen.choice(pieces) for _ in range(chosen.randint(1, 8))) for _ in range(count)]


@pytest.mark.parametrize("place", ALIKE, indirect=True)
def test_no_value_is_anything_but_a_value(place: Place) -> None:
    before = state(place)
    cast = "" if place.is_sqlite else "::text"
    echo = template(f"SELECT :v{cast} AS v, (SELECT count(*) FROM customers WHERE name = :v{cast}) AS n", {"v": TEXT})

    async def work(connection: Connection, connector: Any) -> None:
        for value in payloads(2000):
            answer = await connection.run(call(connector, echo, {"v": value}))
            assert answer.content == [{"v": value, "n": 0}]
        await asyncio.sleep(0)

    with_connection(place, work)
    assert state(place) == before


def test_a_comment_at_the_end_ends_nothing(place: Place) -> None:
    assert content(ran(place, "SELECT 1 AS one -- the end")) == [{"one": 1}]
    assert resource("connector", place.raw).body["read_only"] is True

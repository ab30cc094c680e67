"""Values that a dialect can't take are found without a database."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from reconciler.kinds.template.sql_values import unfit
from reconciler.runtime.call import Failed
from reconciler.runtime.connectors.sql_judge import judge_sql
from tests.runtime.calls import call, resource
from tests.runtime.connectors.support import template

PLACES: dict[str, dict[str, Any]] = {
    "sqlite": {"type": "sql", "dialect": "sqlite", "database": "x.db"},
    "duckdb": {"type": "sql", "dialect": "duckdb", "database": "x.duckdb"},
    "postgresql": {
        "type": "sql",
        "dialect": "postgresql",
        "host": "db",
        "database": "x",
        "username": "u",
        "ssl": "disable",
    },
}


def judged(dialect: str, kind: str, value: Any, sql: str = "SELECT :v AS v") -> tuple[str, ...]:
    kind, _, items = kind.partition(":")
    parameter = {"type": kind, "nullable": True, **({"items": items} if items else {})}

    body, connector = template(sql, {"v": parameter}).body, resource("connector", PLACES[dialect]).body
    return tuple(one.parameter for one in unfit(body, connector, {"v": value}))


@pytest.mark.parametrize(
    ("dialect", "kind", "value"),
    [
        ("sqlite", "integer", 2**63),
        ("sqlite", "integer", -(2**63) - 1),
        ("sqlite", "number", 10**400),
        ("sqlite", "number", Decimal("12345678901234567.89")),
        ("sqlite", "array:integer", [1, 2**63]),
        ("sqlite", "array:number", [Decimal("12345678901234567.89")]),
        ("sqlite", "string", "x" * (16 * 1024 * 1024)),
        ("duckdb", "integer", 2**127),
        ("duckdb", "number", Decimal("1." + "1" * 39)),
        ("duckdb", "array:integer", [2**127]),
        ("postgresql", "string", "a\0b"),
        ("postgresql", "array:string", ["a", "\0"]),
        ("postgresql", "timestamp", "0001-01-01T00:00:00+14:00"),
        ("postgresql", "timestamp", "9999-12-31T23:59:59-01:00"),
    ],
)
def test_unfit(dialect: str, kind: str, value: Any) -> None:
    assert judged(dialect, kind, value) == ("v",)


@pytest.mark.parametrize("dialect", PLACES)
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", 2**63 - 1),
        ("integer", -(2**63)),
        ("number", 1.5),
        ("boolean", True),
        ("string", "ü😀"),
        ("string", None),
        ("array:integer", [1, 2]),
        ("array:string", []),
        ("date", "2026-01-01"),
        ("timestamp", "2026-01-01T00:00:00+02:00"),
    ],
)
def test_fit(dialect: str, kind: str, value: Any) -> None:
    assert judged(dialect, kind, value) == ()


def test_a_statement_that_may_not_run() -> None:
    what = template("SELECT 1 AS v")
    what.body["sql"] = "DROP TABLE customers"

    async def main() -> None:
        with pytest.raises(Failed) as caught:
            await judge_sql(call(resource("connector", PLACES["sqlite"]), what, {}))
        assert (caught.value.code, caught.value.outcome) == ("statement-refused", "blocked")

    asyncio.run(main())

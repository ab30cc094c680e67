"""What a database refuses because of a call's values is the caller's mistake, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.runtime.call import Failed, ValuesRefused
from tests.runtime.connectors.support import Place, postgresql_place, ran, sqlite_place

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}


def refused(place: Place, sql: str, value: Any) -> Failed:
    answer = ran(place, sql, {"v": value}, {"v": TEXT if isinstance(value, str) else NUMBER})
    assert isinstance(answer, Failed), answer
    return answer


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT 1 / :v AS a", 0),
        ("SELECT id FROM customers LIMIT :v", -1),
        ("SELECT id FROM customers OFFSET :v", -1),
        ("SELECT id FROM customers WHERE name LIKE :v", "A\\"),
        ("SELECT id FROM customers WHERE name ~ :v", "("),
        ("SELECT sqrt(CAST(:v AS int)) AS a", -1),
        ("SELECT substring('abc' FROM 1 FOR CAST(:v AS int)) AS a", -1),
        ("SELECT CAST(:v AS jsonb) AS a", "{"),
        ("SELECT CAST(:v AS date) AS a", "soon"),
    ],
)
def test_postgresql(postgres_server: str, sql: str, value: Any) -> None:
    assert isinstance(refused(postgresql_place(postgres_server), sql, value), ValuesRefused)


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT json(:v) AS a", "[1"),
        ("SELECT value FROM json_each(:v)", "x"),
        ("SELECT json_extract('{}', :v) AS a", "a"),
        ("SELECT abs(:v) AS a", -(2**63)),
        ("SELECT name FROM customers WHERE name LIKE :v", "%" * 2000),
        ("SELECT name FROM customers WHERE name GLOB :v", "*" * 2000),
        ("SELECT ntile(:v) OVER () AS a", 0),
        ("SELECT 1 AS a LIMIT :v", "x"),
    ],
)
def test_sqlite(folder: Any, sql: str, value: Any) -> None:
    assert isinstance(refused(sqlite_place(folder), sql, value), ValuesRefused)


def test_what_is_the_statement_s_own_fault_is_not(folder: Any, postgres_server: str) -> None:
    for place in (sqlite_place(folder), postgresql_place(postgres_server)):
        found = refused(place, "SELECT nosuch AS a FROM customers WHERE name = :v", "a")
        assert not isinstance(found, ValuesRefused)

"""Values of templates into SQL, and values of databases into JSON: as they are, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.runtime.call import Failed
from reconciler.runtime.connectors.sql_common import told
from reconciler.runtime.connectors.sql_rows import Caps
from tests.runtime.connectors.support import (
    ALIKE,
    TEXT,
    Place,
    content,
    postgresql_place,
    ran,
)


def test_values_are_bound(place: Place) -> None:
    sql = "SELECT id, name FROM customers WHERE region = :region AND id > :least ORDER BY id"
    parameters = {"region": TEXT, "least": {"type": "integer"}}
    assert content(ran(place, sql, {"region": "eu", "least": 1}, parameters)) == [{"id": 3, "name": "Cid"}]
    assert content(ran(place, sql, {"region": "' OR 1=1 --", "least": 0}, parameters)) == []


def test_the_same_value_twice_and_colons_that_are_none(place: Place) -> None:
    sql = "SELECT ':region' AS a, name FROM customers WHERE region = :region OR name = :region -- :no\nORDER BY id"
    assert content(ran(place, sql, {"region": "Bob"}, {"region": TEXT})) == [{"a": ":region", "name": "Bob"}]


@pytest.mark.parametrize("place", ALIKE, indirect=True)
@pytest.mark.parametrize(
    ("kind", "value", "sqlite", "postgresql"),
    [
        ("string", "ü😀'\"\\;--", "ü😀'\"\\;--", "ü😀'\"\\;--"),
        ("integer", 2**53 - 1, 2**53 - 1, 2**53 - 1),
        ("integer", 2**53 + 1, str(2**53 + 1), str(2**53 + 1)),
        ("integer", 2**63 - 1, str(2**63 - 1), str(2**63 - 1)),
        ("integer", -(2**63), str(-(2**63)), str(-(2**63))),
        ("number", 1.5, 1.5, 1.5),
        ("boolean", True, 1, True),
        ("date", "2026-02-28", "2026-02-28", "2026-02-28"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", *["123e4567-e89b-12d3-a456-426614174000"] * 2),
        ("string", None, None, None),
    ],
)
def test_types_both_ways(place: Place, kind: str, value: Any, sqlite: Any, postgresql: Any) -> None:
    casts = {
        "string": "text",
        "integer": "bigint",
        "number": "float8",
        "boolean": "boolean",
        "date": "date",
        "uuid": "uuid",
    }
    cast = "" if place.is_sqlite else f"::{casts[kind]}"
    answer = ran(place, f"SELECT :v{cast} AS v", {"v": value}, {"v": {"type": kind, "nullable": True}})
    assert content(answer) == [{"v": sqlite if place.is_sqlite else postgresql}]


def test_what_json_would_round_is_text(postgres_server: str) -> None:
    sql = (
        "SELECT 12345678901234567890::numeric AS a, 0.1::numeric AS b, 9223372036854775807::bigint AS c, 'NaN'::float8 AS d, "
        "'\\x00ff'::bytea AS e, ARRAY[1, 2] AS f, '{\"k\": 1.10}'::jsonb AS g, 'x' AS a, timestamp '2026-01-02 03:04:05' AS h, 7::numeric AS i"
    )
    assert content(ran(postgresql_place(postgres_server), sql)) == [
        {
            "a": "12345678901234567890",
            "b": "0.1",
            "c": "9223372036854775807",
            "d": None,
            "e": "AP8=",
            "f": [1, 2],
            "g": {"k": "1.10"},
            "a_2": "x",
            "h": "2026-01-02T03:04:05",
            "i": 7,
        }
    ]


def test_a_column_s_type_depends_on_no_other_column(postgres_server: str) -> None:
    sql = (
        "SELECT 0.5::float8 AS f, 1::bigint AS n, ARRAY[0.5, 'NaN']::float8[] AS fs, 0.5::numeric AS d, 'NaN'::numeric AS x, "
        "'-Infinity'::float4 AS y, ARRAY['\\x00ff'::bytea] AS bs, '{}'::jsonb AS j, 10::numeric ^ 4500 AS long"
    )
    place = postgresql_place(postgres_server)
    place.sql(
        "DO $$ BEGIN EXECUTE format('ALTER ROLE agent IN DATABASE %I SET bytea_output = escape', current_database()); END $$"
    )
    (row,) = content(ran(place, sql))
    assert row["long"].rstrip("0") == "1"
    assert len(row.pop("long")) == 4501
    assert row == {"f": 0.5, "n": 1, "fs": [0.5, None], "d": "0.5", "x": None, "y": None, "bs": ["AP8="], "j": {}}


def test_numbers_of_one_column_have_one_type(place: Place) -> None:
    sql = "SELECT 1 AS n, 1 AS m UNION ALL SELECT 9007199254740993, 2 UNION ALL SELECT NULL, 3 ORDER BY m"
    assert content(ran(place, sql)) == [{"n": "1", "m": 1}, {"n": "9007199254740993", "m": 2}, {"n": None, "m": 3}]


def test_numbers_of_one_column_have_one_type_at_any_depth(postgres_server: str) -> None:
    sql = (
        "SELECT n, ARRAY[n, 2] AS l, jsonb_build_object('n', n) AS j, true AS b "
        "FROM (VALUES (1::numeric), (1.50), (7)) v (n) ORDER BY n"
    )
    assert content(ran(postgresql_place(postgres_server), sql)) == [
        {"n": n, "l": [n, "2"], "j": {"n": n}, "b": True} for n in ("1", "1.50", "7")
    ]


def test_what_grows_by_that_is_held_to_the_bound() -> None:
    records = [[1]] * 10 + [[2**60]]
    whole = told(["n"], records, Caps(100, 10_000)).size
    assert told(["n"], records, Caps(100, whole)).rows == 11
    with pytest.raises(Failed, match="larger"):
        told(["n"], records, Caps(100, whole - 1))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT (repeat('[', 900) || repeat(']', 900))::json AS a",
        "SELECT '\"\\ud800\"'::json AS a",
        'SELECT \'{"a": 1, "a": 2}\'::json AS a',
    ],
)
def test_what_json_can_not_hold(postgres_server: str, sql: str) -> None:
    answer = ran(postgresql_place(postgres_server), sql)
    assert isinstance(answer, Failed)
    assert answer.code == "unreadable-result"


TYPED = """CREATE TYPE mood AS ENUM ('ok', 'bad');
CREATE TABLE typed (i int, n numeric, f float8, d date, t text, z timestamptz, p timestamp, u uuid, m mood, a inet);
INSERT INTO typed VALUES (1, 1.1, 1.1, '2026-01-01', 'x', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00',
  '123e4567-e89b-12d3-a456-426614174000', 'ok', '10.0.0.1');
GRANT SELECT ON typed TO agent"""
UUID = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize(
    ("condition", "kind", "value", "found"),
    [
        ("n = :v", "number", 1.1, 1),
        ("f = :v", "number", 1.1, 1),
        ("i < :v", "number", 1.5, 1),
        ("i = :v", "number", 1, 1),
        ("i < :v", "integer", 2**40, 1),
        ("i < :v", "integer", 2**70, 1),
        ("f < :v", "integer", 2, 1),
        ("n > :v", "integer", 1, 1),
        ("t = :v", "string", "x", 1),
        ("d = :v", "string", "2026-01-01", 1),
        ("m = :v", "string", "ok", 1),
        ("a = :v", "string", "10.0.0.1", 1),
        ("i = :v", "string", "1", 1),
        ("i = :v", "string", "1 OR true", None),
        ("d = :v", "date", "2026-01-01", 1),
        ("z >= :v", "date", "2026-01-02", 0),
        ("z = :v", "timestamp", "2026-01-01T02:00:00+02:00", 1),
        ("p = :v", "timestamp", "2026-01-01T00:00:00", 1),
        ("u = :v", "uuid", UUID, 1),
        ("t = :v::text", "uuid", UUID, 0),
        ("t = :v", "integer", 1, None),
        (":v IS NULL", "integer", None, 1),
        (":v IS NOT NULL", "string", "x", 1),
        ("(:v IS NULL OR i = :v)", "integer", 1, 1),
        ("substr(t, :v) = 'x'", "integer", 1, 1),
        ("i + :v = 3", "integer", 2, 1),
        ("n = ANY(:v)", "array:number", [1, 1.1], 1),
        ("i = ANY(:v)", "array:number", [1, 1.5], 1),
        ("i = ANY(:v)", "array:integer", [1, 2**40], 1),
        ("i = ANY(:v)", "array:integer", [], 0),
        ("m = ANY(:v)", "array:string", ["ok"], 1),
        ("z = ANY(:v)", "array:timestamp", ["2026-01-01T00:00:00+00:00"], 1),
    ],
)
def test_values_are_what_the_template_says(
    postgres_server: str, typed_place: Place, condition: str, kind: str, value: Any, found: int | None
) -> None:
    """None: the server refuses; nothing is cut or guessed."""
    kind, _, items = kind.partition(":")
    parameter = {"type": kind, "nullable": True, **({"items": items} if items else {})}
    answer = ran(typed_place, f"SELECT count(*) AS n FROM typed WHERE {condition}", {"v": value}, {"v": parameter})
    if found is None:
        assert isinstance(answer, Failed)
        assert answer.code == "query-failed"
    else:
        assert content(answer) == [{"n": found}]


@pytest.fixture(scope="module")
def typed_place(postgres_server: str) -> Place:
    place = postgresql_place(postgres_server)
    place.sql(TYPED)
    return place


def test_a_value_keeps_its_type_where_nothing_else_gives_one(typed_place: Place) -> None:
    parameters = {
        "i": {"type": "integer"},
        "n": {"type": "number"},
        "b": {"type": "boolean"},
        "t": {"type": "timestamp"},
    }
    values = {"i": 5, "n": 1.25, "b": True, "t": "2026-01-01T00:00:00"}
    (row,) = content(ran(typed_place, "SELECT :i AS i, :n AS n, :b AS b, :t AS t, ':i $1' AS s", values, parameters))
    assert row == {"i": 5, "n": "1.25", "b": True, "t": "2026-01-01T00:00:00", "s": ":i $1"}


@pytest.mark.parametrize("place", ALIKE, indirect=True)
@pytest.mark.parametrize(("kind", "value"), [("string", "\ud800"), ("integer", 2**70), ("string", "a\0b")])
def test_values_that_a_database_can_not_take(place: Place, kind: str, value: Any) -> None:
    cast = "" if place.is_sqlite else "::bigint" if kind == "integer" else "::text"
    answer = ran(place, f"SELECT :v{cast} AS v", {"v": value}, {"v": {"type": kind}})
    if not place.is_postgresql and value == "a\0b":
        assert content(answer) == [{"v": value}]
    else:
        assert isinstance(answer, Failed)
        assert answer.code in {"invalid-value", "query-failed"}


@pytest.mark.parametrize("place", ALIKE, indirect=True)
def test_lists(place: Place) -> None:
    parameters = {"ids": {"type": "array", "items": "integer"}}
    chosen = "id IN (SELECT value FROM json_each(:ids))" if place.is_sqlite else "id = ANY(:ids)"
    answer = ran(place, f"SELECT name FROM customers WHERE {chosen} ORDER BY id", {"ids": [1, 3]}, parameters)
    assert [row["name"] for row in content(answer)] == ["Ann", "Cid"]

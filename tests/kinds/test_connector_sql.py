"""Connectors of type sql: by dsn, by parts, or by file."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from reconciler.kinds.connector.sql import Dialect

from .support import REF, body, found, one

PARTS = {"host": "db.internal", "database": "sales"}
NETWORKED = [d for d in get_args(Dialect) if d not in {"sqlite", "duckdb", "bigquery"}]


def _sql(dialect: str = "postgresql", **fields: Any) -> dict[str, Any]:
    return {"type": "sql", "dialect": dialect, **fields}


@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_a_dsn_is_enough_for_every_dialect(dialect: str) -> None:
    assert found("connector", _sql(dialect, dsn=REF)) == set()


@pytest.mark.parametrize("dialect", NETWORKED)
def test_parts(dialect: str) -> None:
    assert found("connector", _sql(dialect, **PARTS)) == set()
    assert found("connector", _sql(dialect, **PARTS, port=5432, username="bob", password=REF)) == set()
    assert found("connector", _sql(dialect)) == {("missing-field", ("dsn",))}
    assert found("connector", _sql(dialect, host="x")) == {("missing-field", ("database",))}
    assert found("connector", _sql(dialect, database="x")) == {("missing-field", ("host",))}


def test_either_a_dsn_or_parts() -> None:
    raw = _sql(dsn=REF, **PARTS, password=REF)
    assert found("connector", raw) == {("conflicting-fields", (name,)) for name in ("host", "database", "password")}


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb"])
def test_files(dialect: str) -> None:
    assert found("connector", _sql(dialect, database="/data/x.db")) == set()
    assert found("connector", _sql(dialect)) == {("missing-field", ("database",))}
    raw = _sql(dialect, database="/data/x.db", host="h", password=REF)
    assert found("connector", raw) == {("conflicting-fields", ("host",)), ("conflicting-fields", ("password",))}


def test_bigquery_needs_its_project() -> None:
    assert found("connector", _sql("bigquery", database="my-project", password=REF)) == set()
    assert found("connector", _sql("bigquery")) == {("missing-field", ("database",))}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("dsn", "postgresql://bob:pw@db/x", {("plaintext-secret", ("dsn",))}),
        ("dialect", "postgres", {("invalid-choice", ("dialect",))}),
        ("ssl", "on", {("invalid-choice", ("ssl",))}),
        ("pool_size", 0, {("out-of-range", ("pool_size",))}),
        ("pool_size", 101, {("out-of-range", ("pool_size",))}),
        ("max_rows", 0, {("out-of-range", ("max_rows",))}),
        ("read_only", "no", {("wrong-type", ("read_only",))}),
        ("timeout_seconds", "30s", {("wrong-type", ("timeout_seconds",))}),
        ("options", {"password": "x"}, {("plaintext-secret", ("options", "password"))}),
    ],
)
def test_wrong_fields(field: str, value: Any, expected: Any) -> None:
    assert found("connector", {**_sql(dsn=REF), field: value}) == expected


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("host", "https://db", "invalid-host"),
        ("host", "bob@db", "invalid-host"),
        ("port", 70000, "out-of-range"),
        ("port", "5432", "wrong-type"),
        ("password", "hunter2", "plaintext-secret"),
        ("username", "", "too-short"),
    ],
)
def test_wrong_parts(field: str, value: Any, code: str) -> None:
    assert (code, (field,)) in found("connector", {**_sql(**PARTS), field: value})


def test_a_dialect_has_a_near_name() -> None:
    assert one("connector", _sql("postgres", dsn=REF)).hint == "did you mean `postgresql`?"
    assert one("connector", _sql("sqlserver", dsn=REF)).hint == "did you mean `mssql`?"


def test_reading_only_is_the_default() -> None:
    made = body("connector", _sql(dsn=REF))
    assert (made["read_only"], made["ssl"], made["pool_size"]) == (True, "require", 5)
    assert (made["max_rows"], made["max_result_bytes"], made["timeout_seconds"]) == (1000, 5242880, 30)

"""Names of tables: defaults, quoting, and what a datasource covers."""

from __future__ import annotations

import pytest

from reconciler.kinds.template.names import Part, Table, covers, entry, resolve


def _name(text: str, dialect: str, database: str | None = None) -> Table:
    return resolve([Part(part) for part in text.split(".")], dialect, database)


@pytest.mark.parametrize(
    ("listed", "used", "dialect", "database", "expected"),
    [
        ("public.orders", "orders", "postgresql", None, True),
        ("orders", "public.orders", "postgresql", None, True),
        ("orders", "ORDERS", "postgresql", None, True),
        ("public.orders", "sales.orders", "postgresql", None, False),
        ("public.*", "orders", "postgresql", None, True),
        ("public.*", "sales.orders", "postgresql", None, False),
        ("*", "sales.orders", "postgresql", None, True),
        ("public.*", "pg_user", "postgresql", None, False),
        ("pg_catalog.*", "pg_user", "postgresql", None, True),
        ("pg_user", "pg_catalog.pg_user", "postgresql", None, True),
        ("orders", "orders_secret", "postgresql", None, False),
        ("shop.public.orders", "orders", "postgresql", "shop", True),
        ("public.orders", "other.public.orders", "postgresql", "shop", False),
        ("orders", "main.orders", "sqlite", None, True),
        ("orders", "temp.orders", "sqlite", None, False),
        ("dbo.orders", "orders", "mssql", None, True),
        ("orders", "otherdb..orders", "mssql", None, False),
        ("shop.orders", "orders", "mysql", "shop", True),
        ("orders", "other.orders", "mysql", "shop", False),
        ("orders", "shop.orders", "mysql", None, False),
        ("public.orders", "ORDERS", "snowflake", None, True),
        ("hr.emp", "HR.EMP", "oracle", None, True),
        ("orders", "Orders", "clickhouse", None, False),
        ("p.d.t", "d.t", "bigquery", "p", True),
        ("d.*", "d.t", "bigquery", None, True),
        ("s.t", "cat.s.t", "trino", "cat", True),
        ("s.t", "other.s.t", "trino", "cat", False),
    ],
)
def test_covers(listed: str, used: str, dialect: str, database: str | None, expected: bool) -> None:
    assert covers(entry(listed, dialect, database), _name(used, dialect, database)) is expected


def test_quoted_parts() -> None:
    assert entry('public."Odd.Name"', "postgresql", None) == Table(None, "public", "Odd.Name")
    assert entry('"a""b"', "postgresql", None).name == 'a"b'
    assert entry("`p.d.t`", "bigquery", None) == Table("p", "d", "t")
    assert entry("[dbo].[Order Lines]", "mssql", None) == Table(None, "dbo", "order lines")
    quoted = resolve([Part("Orders", True)], "postgresql", None)
    assert not covers(entry("orders", "postgresql", None), quoted)
    assert covers(entry('"Orders"', "postgresql", None), quoted)
    assert str(quoted) == "public.Orders"

"""Statements of one form are read once: what is found of each is what reading its very text finds."""

from __future__ import annotations

import random

import pytest

from reconciler.kinds.template import statement
from reconciler.kinds.template.placeholders import DIALECTS
from reconciler.kinds.template.statement import inspect

NAMES = [
    "orders",
    "customers",
    "id",
    "total",
    "of_12",
    "region",
    "x1",
    "select",
    "from",
    "order",
    "group",
    "user",
    "table",
    "end",
    "date",
    "value",
    "interval",
    "timestamp",
    "nextval",
    "currval",
    "level",
    "rownum",
    "any",
    "case",
    "if",
    "next",
    "dbms_output",
    "pg_sleep",
    "dblink",
    "exec",
    "drop",
    "read_csv",
    "url",
    "file",
    "s3",
    "sum",
    "count",
    "cast",
    "values",
    "lateral",
    "unnest",
    "offset",
    "fetch",
    "settings",
    "format",
    "final",
    "sample",
    "nocount",
    "into",
    "set",
    "zqx",
    "filter",
    "over",
    "within",
    "type",
    "first",
    "last",
    "key",
    "name",
    "tables",
    "columns",
    "session_user",
    "current_date",
    "prior",
    "row",
    "rows",
    "array",
    "map",
    "struct",
    "json",
    "a",
    "b",
    "c",
    "_x",
]
PIECES = [
    "SELECT {q}, {q} FROM {t} {a} JOIN {t} {b} ON {q} = {q} WHERE {q} = :p AND {q} > 17",
    "SELECT {q} AS {n}, sum({q}) FROM {t} GROUP BY {q} ORDER BY {q} DESC LIMIT :n",
    "WITH {n} AS (SELECT {q} FROM {t}) SELECT * FROM {n} UNION ALL SELECT {q} FROM {t}",
    "SELECT {q}::{n}, CAST({q} AS {n}) FROM {t}, {t} WHERE {q} IN (SELECT {q} FROM {t})",
    "SELECT {q}({n}), {q} ({n}) FROM {t}",
    "SELECT {q} FROM {t} FOR UPDATE",
    "INSERT INTO {t} ({n}) SELECT {q} FROM {t}",
    "UPDATE {t} SET {n} = {q} WHERE {q} = :p",
    "DELETE FROM {t} WHERE {q} = 4",
    "SELECT {q} OVER (PARTITION BY {q} ORDER BY {q}) FROM {t} {n}",
    "SELECT {q}.{n}, {q} : {n}, {q}-{n}, {q} {n} FROM {t}-{n}",
    "SELECT {q} FROM {t} WHERE {q} IN {t} AND {q} BETWEEN 1 AND 2; {n}",
    "SELECT CASE WHEN {q} THEN {q} ELSE {q} END {n} FROM {t} AS {n}",
    "SELECT {q} FROM {t} {n} {n}, LATERAL {t}",
    "SELECT INTERVAL {q} {n}, EXTRACT({n} FROM {q}) FROM {t} {n} SETTINGS {n} = 1",
    "SELECT TOP 3 {q} INTO {t} FROM {t} WITH ({n})",
    "SELECT NEXT VALUE FOR {q}, {q}",
    "DROP TABLE {t}",
    "SELECT {q} FROM",
]  # fmt: skip


def made(dice: random.Random) -> str:
    def name() -> str:
        found = dice.choice(NAMES)
        return found.upper() if dice.random() < 0.05 else found

    def qualified() -> str:
        parts = [name() for _ in range(dice.choice([1, 2, 2, 2, 2, 3]))]
        return dice.choice([".", ".", ".", ".", " . "]).join(parts)

    text = dice.choice(PIECES)
    for mark in ("q", "t", "n", "a", "b"):
        while f"{{{mark}}}" in text:
            text = text.replace(f"{{{mark}}}", qualified() if mark in "qt" else name(), 1)
    if dice.random() < 0.1:
        at = dice.randrange(len(text))
        text = text[:at] + dice.choice(["'", "(", ")", ".", ",", " ", ";", "\n", "é", '"', "1", "*"]) + text[at:]
    return text


@pytest.mark.parametrize("dialect", DIALECTS)
def test_forms_change_no_judgement(dialect: str) -> None:
    dice = random.Random(f"forms {dialect}")
    shared = 0
    for _ in range(150):
        sql = made(dice)
        text = statement._without_placeholders(sql, dialect)
        assert inspect(sql, dialect) == statement._read(text, dialect), sql
        shared += not statement._QUOTED.search(text) and statement._form(text, dialect)[0] != text
    assert shared > 50


def test_statements_of_one_form_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    inner = statement._inspect
    monkeypatch.setattr(statement, "_inspect", lambda sql, dialect: (parsed.append(sql), inner(sql, dialect))[1])
    statement._read.cache_clear()
    statement._of_form.cache_clear()
    found = [
        inspect(f"SELECT o.c_{number} FROM sales.orders_{number} o WHERE o.id = {number}", "postgresql")
        for number in range(5)
    ]
    assert len(parsed) == 1
    assert [tuple(part.text for part in one.tables[0]) for one in found] == [
        ("sales", f"orders_{number}") for number in range(5)
    ]


def test_names_that_a_rule_looks_at_stay() -> None:
    assert inspect("SELECT a.waitfor FROM dbo.orders a", "mssql").refused
    assert not inspect("SELECT a.waits FROM dbo.orders a", "mssql").refused

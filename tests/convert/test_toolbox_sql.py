"""Placeholders become `:name` where they are placeholders, and statements that can't be read for certain are refused."""

from __future__ import annotations

import pytest

from reconciler.convert.toolbox_sql import NotCarried, tables_of, with_names

CASES = [
    ("postgresql", "SELECT $1, $2, $1", ["a", "b"], {}, "SELECT :a, :b, :a"),
    ("postgresql", "SELECT '$1', \"$1\", $$ $1 $$, $t$ $1 $t$ -- $1\n /* $1 */ FROM t WHERE x = $1", ["a"], {}, None),
    ("postgresql", "SELECT x::int FROM t WHERE a = $1::int", ["a"], {}, "SELECT x::int FROM t WHERE a = :a::int"),
    ("mysql", "SELECT ? # ?\n, '\\'?', \"?\", `?` FROM t WHERE b = ?", ["a", "b"], {}, None),
    ("sqlite", "SELECT [?], ? FROM t", ["a"], {}, "SELECT [?], :a FROM t"),
    ("mssql", "SELECT @@ROWCOUNT, @p FROM [a@b]", ["p"], {}, "SELECT @@ROWCOUNT, :p FROM [a@b]"),
    ("oracle", "SELECT a FROM t WHERE b = :1", ["b"], {}, "SELECT a FROM t WHERE b = :b"),
    ("bigquery", "SELECT @day FROM `a.b`", ["day"], {}, "SELECT :day FROM `a.b`"),
    ("postgresql", "SELECT '{{.x}}' LIMIT {{ .n }}", [], {"x": "string", "n": "integer"}, "SELECT :x LIMIT :n"),
]
EXPECTED = {
    1: "SELECT '$1', \"$1\", $$ $1 $$, $t$ $1 $t$ -- $1\n /* $1 */ FROM t WHERE x = :a",
    3: "SELECT :a # ?\n, '\\'?', \"?\", `?` FROM t WHERE b = :b",
}


@pytest.mark.parametrize("number", range(len(CASES)))
def test_placeholders_become_names(number: int) -> None:
    dialect, sql, values, pasted, expected = CASES[number]
    assert with_names(sql, dialect, values, pasted) == (expected or EXPECTED[number])


@pytest.mark.parametrize(
    ("dialect", "sql", "values", "pasted"),
    [
        ("postgresql", "SELECT $2", ["a"], {}),
        ("postgresql", "SELECT $0", ["a"], {}),
        ("postgresql", "SELECT $1, '$1", ["a"], {}),
        ("mysql", "SELECT ? /* ?", ["a"], {}),
        ("mysql", "SELECT ?, ?", ["a"], {}),
        ("postgresql", "SELECT * FROM {{.t}}", [], {"t": "string"}),
        ("postgresql", "SELECT * FROM t_{{.n}}", [], {"n": "integer"}),
        ("postgresql", "SELECT * FROM t.{{.n}}", [], {"n": "integer"}),
        ("postgresql", "SELECT '%{{.x}}%'", [], {"x": "string"}),
        ("postgresql", "SELECT '{{.unknown}}'", [], {}),
        ("postgresql", "SELECT 1 {{if .x}} WHERE a = '{{.x}}' {{end}}", [], {"x": "string"}),
        ("postgresql", "SELECT 1 FROM ${DB}.t", [], {}),
        ("postgresql", "SELECT {{range .x}}1{{end}}", [], {"x": "string"}),
    ],
)
def test_what_is_put_together_is_refused(dialect: str, sql: str, values: list[str], pasted: dict[str, str]) -> None:
    with pytest.raises(NotCarried):
        with_names(sql, dialect, values, pasted)


def test_tables_are_written_as_datasources_list_them() -> None:
    assert tables_of('WITH c AS (SELECT 1) SELECT * FROM c, a.b, "X y"', "postgresql") == ["a.b", '"X y"']
    assert tables_of("SELECT * FROM `a b`", "mysql") == ["`a b`"]
    assert tables_of("SELECT * FROM dbo.[a b]", "mssql") == ["dbo.[a b]"]

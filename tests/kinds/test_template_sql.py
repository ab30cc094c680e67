"""Templates of type sql, checked against their datasource and connector."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import Problem
from reconciler.kinds.table import KINDS

from .support import body, checked, found, minimal

CONNECTOR = minimal("connector", "sql")
DATASOURCE = minimal("datasource", "database", tables=["public.orders", "public.customers"])
DESIGN = """SELECT c.name, sum(o.total) AS total
FROM public.orders o JOIN public.customers c ON c.id = o.customer_id
WHERE o.region = :region GROUP BY c.name ORDER BY total DESC LIMIT :n
"""
PARAMETERS = {
    "region": {"type": "string", "max_length": 20},
    "n": {"type": "integer", "min": 1, "max": 100, "default": 10},
}


def _check(
    sql: str = "SELECT 1", connector: Any = CONNECTOR, datasource: Any = DATASOURCE, **fields: Any
) -> list[Problem]:
    template = minimal("template", "sql", sql=sql, **fields)
    return checked("template", "t", template_t=template, datasource_sales=datasource, connector_warehouse=connector)


def _codes(*args: Any, **fields: Any) -> set[tuple[str, Any]]:
    return {(problem.code, problem.path) for problem in _check(*args, **fields)}


def test_the_example_of_the_design() -> None:
    assert _check(DESIGN, parameters=PARAMETERS) == []


def test_parameters_are_used_exactly_as_declared() -> None:
    sql = DESIGN.replace(":region", ":regoin")
    undeclared, unused = _check(sql, parameters=PARAMETERS)
    assert (undeclared.code, undeclared.path, undeclared.hint) == (
        "undeclared-parameter",
        ("sql",),
        "did you mean `region`?",
    )
    assert "line 3, column 18" in undeclared.message
    assert (unused.code, unused.path, unused.on_key) == ("unused-parameter", ("parameters", "region"), True)


def test_a_parameter_in_a_string_or_comment_is_not_used() -> None:
    codes = _codes("SELECT ':a' /* :a */ -- :a", parameters={"a": {"type": "string"}})
    assert codes == {("unused-parameter", ("parameters", "a"))}


def test_flaws_hide_no_wrong_guesses() -> None:
    codes = _codes("SELECT a[:b] FROM orders", parameters={"b": {"type": "integer"}})
    assert codes == {("ambiguous-placeholder", ("sql",))}


def test_tables_are_among_those_of_the_datasource() -> None:
    (problem,) = _check("SELECT * FROM public.ordres")
    assert (problem.code, problem.path) == ("table-not-in-datasource", ("sql",))
    assert "public.ordres" in problem.message
    assert "acme/datasource/sales" in problem.message
    assert problem.hint == "did you mean `public.orders`?"
    assert problem.expected == "public.customers, public.orders"


@pytest.mark.parametrize(
    "sql",
    [
        "WITH orders AS (SELECT 1) SELECT * FROM secret",
        "WITH secret AS (SELECT * FROM secret) SELECT * FROM secret",
        "SELECT * FROM orders o JOIN pg_catalog.pg_authid a ON true",
        "SELECT * FROM orders WHERE EXISTS (SELECT 1 FROM private.salaries)",
        "SELECT * FROM orders UNION SELECT * FROM pg_shadow",
        'SELECT * FROM "Orders"',
    ],
)
def test_other_tables_do_not_slip_through(sql: str) -> None:
    assert _codes(sql) == {("table-not-in-datasource", ("sql",))}


@pytest.mark.parametrize("tables", [[], ["*"], ["private.*", "public.orders"]])
def test_datasources_that_cover_more(tables: list[str]) -> None:
    assert _check("SELECT * FROM private.salaries, orders", datasource={**DATASOURCE, "tables": tables}) == []


def test_a_collection_of_vectors_is_a_table() -> None:
    vectors = minimal("datasource", "vector", connector="warehouse", collection="articles")
    assert _check("SELECT * FROM articles", datasource=vectors) == []
    assert _codes("SELECT * FROM secret", datasource=vectors) == {("table-not-in-datasource", ("sql",))}


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("DELETE FROM orders", "not-read-only"),
        ("SELECT * FROM orders FOR UPDATE", "not-read-only"),
        ("DROP TABLE orders", "not-read-only"),
        ("NOTIFY x", "not-read-only"),
        ("SELECT 1; SELECT 2", "multiple-statements"),
        ("SELECT FROM WHERE", "invalid-sql"),
        ("SELECT '", "invalid-sql"),
        ("SELECT " + "(" * 304 + ")" * 304, "invalid-sql"),
        ("SELECT pg_sleep(1)", "forbidden-function"),
        ('SELECT U&"pg\\005fsleep"(1)', "unicode-escape"),
        ("SELECT $1", "invalid-placeholder"),
    ],
)
def test_statements_that_are_refused(sql: str, code: str) -> None:
    assert {one for one, _ in _codes(sql)} == {code}


WRITER = {**CONNECTOR, "read_only": False}


def test_writing() -> None:
    sql = "UPDATE orders SET total = :t WHERE id = :id"
    parameters = {"t": {"type": "number"}, "id": {"type": "integer"}}
    assert _codes(sql, parameters=parameters) == {("not-read-only", ("sql",))}
    assert _codes(sql, parameters=parameters, read_only=False) == {("connector-read-only", ("read_only",))}
    assert _codes(sql, connector=WRITER, parameters=parameters, read_only=False) == set()
    assert _codes(sql, connector=WRITER, parameters=parameters) == {("not-read-only", ("sql",))}
    assert {code for code, _ in _codes("DROP TABLE orders", connector=WRITER, read_only=False)} == {"not-a-query"}
    assert {code for code, _ in _codes("DELETE FROM secret", connector=WRITER, read_only=False)} == {
        "table-not-in-datasource"
    }


def test_caps_only_tighten() -> None:
    assert _check(max_rows=1000, max_result_bytes=5242880, timeout_seconds=30) == []
    assert _codes(max_rows=1001, max_result_bytes=5242881, timeout_seconds=31) == {
        ("cap-exceeds-connector", (name,)) for name in ("max_rows", "max_result_bytes", "timeout_seconds")
    }
    (problem,) = _check(max_rows=2000)
    assert "2000" in problem.message
    assert "1000" in problem.message
    assert "acme/connector/warehouse" in problem.message


def test_the_connector_is_of_type_sql() -> None:
    template = minimal("template", "sql")
    (problem,) = checked(
        "template",
        "t",
        template_t=template,
        datasource_sales=minimal("datasource", "api", connector="crm"),
        connector_crm=minimal("connector", "http"),
    )
    assert (problem.code, problem.path) == ("connector-mismatch", ("datasource",))


def test_without_datasource_or_connector_nothing_is_said() -> None:
    template = minimal("template", "sql", sql="DELETE FROM x WHERE :a")
    assert checked("template", "t", template_t=template) == []
    assert checked("template", "t", template_t=template, datasource_sales=DATASOURCE) == []


def test_the_dialect_counts() -> None:
    sqlite = {"type": "sql", "dialect": "sqlite", "database": "/x.db"}
    names = {**DATASOURCE, "tables": ["Orders"]}
    assert _check("SELECT [a:b] FROM main.orders", connector=sqlite, datasource=names) == []
    mysql = {"type": "sql", "dialect": "mysql", "host": "h", "database": "shop"}
    assert _codes("SELECT /*! sleep(5) */ 1", connector=mysql, datasource=names) == {("executable-comment", ("sql",))}


def test_the_end_of_the_text_has_one_form() -> None:
    for text in ("SELECT 1", "SELECT 1;", "SELECT 1 ;\n ; \n"):
        assert body("template", minimal("template", "sql", sql=text))["sql"] == "SELECT 1"
    assert found("template", minimal("template", "sql", sql=" ;\n")) == {("invalid-sql", ("sql",))}


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("sql", "", {("too-short", ("sql",))}),
        ("sql", "x" * 70_000, {("too-long", ("sql",))}),
        ("sql", None, {("wrong-type", ("sql",))}),
        ("sql", "SELECT '\x00'", {("control-character", ("sql",))}),
        ("datasource", "a/b", {("invalid-name", ("datasource",))}),
        ("statement", "x", {("unknown-field", ("statement",))}),
        ("max_rows", 0, {("out-of-range", ("max_rows",))}),
        ("parameters", [{"name": "a"}], {("wrong-type", ("parameters",))}),
        ("connector", "x", {("unknown-field", ("connector",))}),
    ],
)
def test_wrong_fields(field: str, value: Any, expected: Any) -> None:
    assert found("template", minimal("template", "sql", **{field: value})) == expected


def test_references() -> None:
    made = [str(one.address) for one in KINDS["template"].references_of("acme", minimal("template", "sql"))]
    assert made == ["acme/datasource/sales"]

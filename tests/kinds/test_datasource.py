"""Datasources: their extents, and which connector fits."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.table import KINDS

from .support import body, checked, found, minimal

TYPES = list(KINDS["datasource"].variants)


@pytest.mark.parametrize(
    "table", ["orders", "public.orders", "db.public.orders", "public.*", "*", 'public."Odd.Name"', "`p.d.t`"]
)
def test_tables(table: str) -> None:
    assert body("datasource", minimal("datasource", "database", tables=[table]))["tables"] == [table]


@pytest.mark.parametrize(
    "table", ["a b", "public.", ".orders", "*.orders", "a;b", "o*", "a.b.c.d.e", "f(x)", "a--b c", "'x'"]
)
def test_wrong_tables(table: str) -> None:
    raw = minimal("datasource", "database", tables=["fine", table])
    assert found("datasource", raw) == {("invalid-table", ("tables", 1))}


@pytest.mark.parametrize("variant", ["database", "vector"])
def test_functions(variant: str) -> None:
    made = body("datasource", minimal("datasource", variant, functions=["public.f", "other.*", "similarity"]))
    assert made["functions"] == ["other.*", "public.f", "similarity"]
    assert "functions" not in body("datasource", minimal("datasource", variant))  # a field of later is no change


@pytest.mark.parametrize("function", ["*", "pg_catalog.*", "PG_CATALOG.*", '"pg_catalog".*', "f(text)", "a b", "f;g"])
def test_wrong_functions(function: str) -> None:
    raw = minimal("datasource", "database", functions=[function])
    assert found("datasource", raw) == {("invalid-function", ("functions", 0))}


@pytest.mark.parametrize(
    ("variant", "fields", "expected"),
    [
        ("database", {"tables": "orders"}, {("wrong-type", ("tables",))}),
        ("database", {"prefix": "x"}, {("unknown-field", ("prefix",))}),
        ("document", {"collections": ["a", "a"]}, {("duplicate-item", ("collections",))}),
        ("vector", {"collection": None}, {("wrong-type", ("collection",))}),
        ("api", {"paths": ["v1"]}, {("invalid-path", ("paths", 0))}),
        ("api", {"paths": ["/a/../b"]}, {("invalid-path", ("paths", 0))}),
        ("api", {"paths": ["/a?b"]}, {("invalid-path", ("paths", 0))}),
        ("custom", {"extent": {"password": "x"}}, {("plaintext-secret", ("extent", "password"))}),
        ("file", {"connector": "Big"}, {("invalid-name", ("connector",))}),
        ("file", {"classification": "secret"}, {("invalid-choice", ("classification",))}),
        ("file", {"lifecycle": "gone"}, {("invalid-choice", ("lifecycle",))}),
        ("file", {"access_roles": [""]}, {("too-short", ("access_roles", 0))}),
    ],
)
def test_wrong_fields(variant: str, fields: dict[str, Any], expected: Any) -> None:
    assert found("datasource", minimal("datasource", variant, **fields)) == expected


@pytest.mark.parametrize("variant", TYPES)
def test_the_connector_is_required(variant: str) -> None:
    raw = minimal("datasource", variant)
    del raw["connector"]
    assert found("datasource", raw) == {("missing-field", ("connector",))}


def test_sets_are_sorted_and_the_classification_has_no_default() -> None:
    made = body("datasource", minimal("datasource", "api", tags=["b", "a"], access_roles=["z", "y"], paths=["/v1/*"]))
    assert (made["tags"], made["access_roles"]) == (["a", "b"], ["y", "z"])
    assert "classification" not in made
    assert made["lifecycle"] == "active"


FITTING = {
    ("database", "sql"),
    ("document", "http"),
    ("document", "mcp"),
    ("document", "custom"),
    ("document", "file"),
    ("file", "file"),
    ("vector", "vector"),
    ("vector", "sql"),
    ("api", "http"),
    ("stream", "stream"),
}


@pytest.mark.parametrize("variant", TYPES)
@pytest.mark.parametrize("connector", list(KINDS["connector"].variants))
def test_connectors_that_fit(variant: str, connector: str) -> None:
    raw = minimal("datasource", variant, connector="c")
    problems = checked("datasource", "d", datasource_d=raw, connector_c=minimal("connector", connector))
    if variant == "custom" or (variant, connector) in FITTING:
        assert problems == []
    else:
        (problem,) = problems
        assert (problem.code, problem.path) == ("connector-mismatch", ("connector",))
        assert "acme/connector/c" in problem.message
        assert connector in problem.message


def test_a_missing_connector_is_reported_elsewhere() -> None:
    assert checked("datasource", "d", datasource_d=minimal("datasource", "database")) == []


def test_references() -> None:
    (reference,) = KINDS["datasource"].references_of("acme", {"connector": "c"})
    assert str(reference.address) == "acme/connector/c"

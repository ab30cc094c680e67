"""Templates of type `vector`: what authors get wrong, and what the store could not honour."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import Path
from reconciler.kinds.template.vector_values import unfit
from reconciler.model.target import Look

from .support import MINIMAL, body, checked, found, minimal

ARRAY = {"type": "array", "items": "number"}
CONNECTOR = minimal("connector", "vector", read_only=False)
UPSERT = {"operation": "upsert", "vector": "{vector}", "id": "{id}"}
ID = {"type": "string"}


def template(**fields: Any) -> dict[str, Any]:
    raw = {**MINIMAL["template", "vector"], **fields}
    return {name: value for name, value in raw.items() if value is not None}


def codes(
    raw: dict[str, Any],
    connector: dict[str, Any] = CONNECTOR,
    datasource: dict[str, Any] | None = None,
    integration: dict[str, Any] | None = None,
) -> set[tuple[str, Path]]:
    problems = checked(
        "template",
        "it",
        template_it=raw,
        datasource_articles=datasource or minimal("datasource", "vector"),
        connector_vectors=connector,
        integration_main=integration or minimal("integration", "openai"),
    )
    return {(one.code, one.path) for one in problems}


def with_parameters(*, parameters: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return template(parameters={"vector": ARRAY, **parameters}, **fields)


SHAPES: list[tuple[dict[str, Any], set[tuple[str, Path]]]] = [
    ({}, set()),
    ({"vector": None}, {("missing-field", ("embed",))}),
    ({"embed": {"integration": "main", "model": "m", "text": "a"}}, {("conflicting-fields", ("vector",))}),
    ({"vector": "{a} {b}"}, {("invalid-placeholder", ("vector",))}),
    ({"vector": "[1, 2]"}, {("invalid-placeholder", ("vector",))}),
    ({"top_k": 0}, {("out-of-range", ("top_k",))}),
    ({"top_k": 10_001}, {("out-of-range", ("top_k",))}),
    ({"top_k": True}, {("wrong-type", ("top_k",))}),
    ({"top_k": "5"}, {("invalid-placeholder", ("top_k",))}),
    ({"filter": {"a": "x {b}"}}, {("invalid-placeholder", ("filter", "a"))}),
    ({"filter": {"a": ["{b}"]}}, {("invalid-placeholder", ("filter", "a"))}),
    ({"filter": {"$or": "x"}}, {("invalid-name", ("filter", "$or"))}),
    ({"filter": {'a" = 1 --': "x"}}, {("invalid-name", ("filter", 'a" = 1 --'))}),
    ({"return": ["a b"]}, {("invalid-name", ("return", 0))}),
    ({"ids": ["a"]}, {("conflicting-fields", ("ids",))}),
    ({"operation": "upsert"}, {("missing-field", ("id",))}),
    ({"operation": "upsert", "id": "a", "return": ["b"]}, {("conflicting-fields", ("return",))}),
    ({"operation": "upsert", "id": "a", "action": "search"}, {("conflicting-fields", ("action",))}),
    ({"operation": "delete", "vector": None}, {("missing-field", ("ids",))}),
    ({"operation": "delete", "ids": ["a"]}, {("conflicting-fields", ("vector",))}),
    (
        {"vector": None, "embed": {"integration": "main", "model": "m", "text": "a {b"}},
        {("invalid-placeholder", ("embed", "text"))},
    ),
]


@pytest.mark.parametrize(("fields", "expected"), SHAPES, ids=[repr(one) for one, _ in SHAPES])
def test_the_shape(fields: dict[str, Any], expected: set[tuple[str, Path]]) -> None:
    assert found("template", template(**fields)) == expected


@pytest.mark.parametrize(
    ("fields", "parameter", "path"),
    [
        ({"filter": {"a": "{p}"}}, {"type": "string", "nullable": True}, ("parameters", "p", "nullable")),
        ({"top_k": "{p}"}, {"type": "number"}, ("top_k",)),
        ({"vector": "{p}", "filter": {}}, {"type": "array", "items": "integer"}, ("vector",)),
        ({"vector": "{p}"}, {"type": "number"}, ("vector",)),
        ({**UPSERT, "id": "{p}"}, {"type": "boolean"}, ("id",)),
        ({"operation": "delete", "vector": None, "ids": "{p}"}, {"type": "array", "items": "number"}, ("ids",)),
        (
            {"vector": None, "embed": {"integration": "main", "model": "m", "text": "{p}"}},
            {"type": "array", "items": "string"},
            ("embed", "text"),
        ),
    ],
)
def test_parameters_have_the_type_of_their_place(fields: dict[str, Any], parameter: Any, path: Path) -> None:
    given = {"p": parameter}
    if fields.get("vector", "{vector}") == "{vector}":
        given["vector"] = ARRAY
    assert codes(template(**fields, parameters=given)) == {("parameter-mismatch", path)}


def test_every_parameter_is_used_and_declared() -> None:
    assert codes(template(parameters={})) == {("undeclared-parameter", ("vector",))}
    unused = with_parameters(parameters={"team": {"type": "string"}})
    assert codes(unused) == {("unused-parameter", ("parameters", "team"))}
    text = {"integration": "main", "model": "m", "text": "{a} {b}"}
    assert codes(template(vector=None, embed=text, parameters={"a": {"type": "string"}})) == {
        ("undeclared-parameter", ("embed", "text"))
    }


def test_a_connector_that_only_reads_takes_no_writes() -> None:
    reads = minimal("connector", "vector")
    assert codes(template(), reads) == set()
    assert codes(with_parameters(parameters={"id": ID}, **UPSERT), reads) == {("connector-read-only", ("operation",))}
    gone = template(operation="delete", vector=None, ids=[1], parameters={})
    assert codes(gone, reads) == {("connector-read-only", ("operation",))}


def test_no_more_than_the_connector_allows() -> None:
    few = {**CONNECTOR, "max_results": 10, "max_response_bytes": 100}
    assert codes(template(top_k=11), few) == {("cap-exceeds-connector", ("top_k",))}
    asks = with_parameters(parameters={"n": {"type": "integer", "max": 11}}, top_k="{n}")
    assert codes(asks, few) == {("cap-exceeds-connector", ("top_k",))}
    assert codes(template(max_response_bytes=101), few) == {("cap-exceeds-connector", ("max_response_bytes",))}


def test_the_datasources_filter_is_not_the_templates_to_write() -> None:
    own = minimal("datasource", "vector", filter={"tenant": "acme"})
    raw = with_parameters(parameters={"id": ID}, **UPSERT, payload={"tenant": "globex"})
    assert codes(raw, datasource=own) == {("conflicting-fields", ("payload", "tenant"))}
    assert codes(template(filter={"tenant": "globex"}), datasource=own) == set()


def test_a_namespace_that_holds_nobody_back_is_refused() -> None:
    spaced = minimal("datasource", "vector", namespace="acme")
    assert codes(template(), datasource=spaced) == {("connector-mismatch", ("datasource",))}


@pytest.mark.parametrize(
    ("ids", "is_good"),
    [(["a"], False), ([-1], False), ([True], False), ([1, "00000000-0000-4000-8000-000000000001"], True)],
)
def test_ids_that_qdrant_keeps(ids: list[Any], is_good: bool) -> None:
    raw = template(operation="delete", vector=None, ids=ids, parameters={})
    assert codes(raw) == (set() if is_good else {("parameter-mismatch", ("ids",))})
    asked = template(operation="delete", vector=None, ids="{p}", parameters={"p": {"type": "array", "items": "string"}})
    told = [*unfit(body("template", asked), body("connector", CONNECTOR), {"p": ids})]
    assert bool(told) != is_good


EMBED = {"integration": "main", "model": "text-embedding-3-small", "text": "a"}


@pytest.mark.parametrize(
    ("embed", "integration", "connector", "expected"),
    [
        (EMBED, minimal("integration", "openai"), CONNECTOR, set()),
        (
            EMBED,
            minimal("integration", "openai", models=["gpt-5"]),
            CONNECTOR,
            {("unknown-model", ("embed", "model"))},
        ),
        (EMBED, minimal("integration", "anthropic"), CONNECTOR, {("format-not-supported", ("embed", "integration"))}),
        (
            {**EMBED, "dimensions": 3},
            minimal("integration", "openai"),
            {**CONNECTOR, "dimensions": 4},
            {("parameter-mismatch", ("embed", "dimensions"))},
        ),
    ],
)
def test_the_integration_can_be_asked(embed: Any, integration: Any, connector: Any, expected: Any) -> None:
    raw = template(vector=None, embed=embed, parameters={})
    assert codes(raw, connector, integration=integration) == expected
    from reconciler.kinds.template.vector import asks

    looks: Look = {"integration/main": body("integration", integration)}.get
    assert asks(body("template", raw), looks) == (
        ("integration/main",) if not {one for one, _ in expected} & {"unknown-model", "format-not-supported"} else None
    )


@pytest.mark.parametrize(
    ("fields", "value", "is_good"),
    [
        ({"filter": {"a": "{p}"}}, None, False),
        ({"filter": {"a": "{p}"}}, "a\0b", False),
        ({"filter": {"a": "{p}"}}, 2**63, False),
        ({"filter": {"a": "{p}"}}, {"$ne": 1}, False),
        ({"filter": {"a": "{p}"}}, ["a", None], False),
        ({"filter": {"a": "{p}"}}, ["a"] * 1001, False),
        ({"filter": {"a": "{p}"}}, ["a", "b"], True),
        ({"filter": {"a": "{p}"}}, [], True),
        ({"top_k": "{p}"}, 0, False),
        ({"top_k": "{p}"}, 101, False),
        ({"top_k": "{p}"}, True, False),
        ({"top_k": "{p}"}, 100, True),
        ({**UPSERT, "id": "{p}"}, "", False),
        ({**UPSERT, "id": "{p}"}, [7], False),
        ({**UPSERT, "id": "{p}"}, [], False),
        ({**UPSERT, "id": "{p}"}, -1, False),
        ({**UPSERT, "id": "{p}"}, "a" * 513, False),
        ({**UPSERT, "id": "{p}"}, 7, True),
        ({"vector": None, "embed": {**EMBED, "text": "{p}"}}, " ", False),
    ],
)
def test_values_that_no_store_takes(fields: dict[str, Any], value: Any, is_good: bool) -> None:
    raw = body("template", template(**fields, parameters={"p": {"type": "string"}}))
    told = [*unfit(raw, body("connector", CONNECTOR), {"p": value})]
    assert [one.parameter for one in told] == ([] if is_good else ["p"])
    assert all(str(value) not in one.message for one in told if isinstance(value, str) and value.strip())

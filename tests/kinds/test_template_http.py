"""Templates of type http: paths, queries, headers, bodies, and their connector."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import Problem
from reconciler.kinds.table import KINDS

from .support import REF, checked, found, minimal

STRING = {"type": "string"}
CONNECTOR = minimal("connector", "http", allowed_methods=["GET", "POST"])


def _found(**fields: Any) -> Any:
    return found("template", minimal("template", "http", **fields))


def _check(connector: Any = CONNECTOR, **fields: Any) -> list[Problem]:
    return checked("template", "t", template_t=minimal("template", "http", **fields), connector_crm=connector)


@pytest.mark.parametrize(
    "path",
    ["/", "/v1/orders", "/v1/orders/", "/v1/{id}", "/v1/{a}/x/{b}.json", "/v1/{name}:predict", "/a-b_c.d~e", "/@me"],
)
def test_paths(path: str) -> None:
    assert _found(path=path) == set()


@pytest.mark.parametrize(
    "path",
    [
        "v1",
        "",
        "//evil.example/x",
        "/a//b",
        "/a/../b",
        "/..",
        "/a/./b",
        "/.",
        "/a?b=c",
        "/a#b",
        "https://evil.example/",
        "/a b",
        "/a\\b",
        "/%2e%2e/x",
        "/a\nb",
        "/{a",
        "/a}",
        "/{a.b}",
        "/{}",
        "/{a-b}",
        "/{{a}}",
        "/.{a}",
        "/{a}.",
        "/{a}..{b}",
        "/\u2025/x",
    ],
)
def test_wrong_paths(path: str) -> None:
    found_here = _found(path=path)
    assert {where for _, where in found_here} == {("path",)}
    assert {code for code, _ in found_here} <= {"invalid-path", "invalid-placeholder", "too-short"}


def test_a_datasource_or_a_connector() -> None:
    raw = minimal("template", "http")
    assert found("template", {**raw, "datasource": "x"}) == {("conflicting-fields", ("connector",))}
    del raw["connector"]
    assert found("template", raw) == {("missing-field", ("datasource",))}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"query": {"q": "{q}", "sort": "asc"}}, set()),
        ({"query": {"filter": '{"a": 1}'}}, set()),
        ({"query": {"q": "x-{q}"}}, {("invalid-placeholder", ("query", "q"))}),
        ({"query": {"q": 5}}, {("wrong-type", ("query", "q"))}),
        ({"query": {"api_key": "x"}}, {("plaintext-secret", ("query", "api_key"))}),
        ({"query": {"q": REF}}, {("plaintext-secret", ("query", "q"))}),
        ({"headers": {"X-A": "{a}", "Accept": "text/plain"}}, set()),
        ({"headers": {"X-A": "a {b}"}}, {("invalid-placeholder", ("headers", "X-A"))}),
        ({"headers": {"Authorization": "{a}"}}, {("plaintext-secret", ("headers", "Authorization"))}),
        ({"headers": {"X-Api-Key": "a"}}, {("plaintext-secret", ("headers", "X-Api-Key"))}),
        ({"headers": {"X-A": REF}}, {("plaintext-secret", ("headers", "X-A"))}),
        ({"headers": {"X-A": "Bearer x"}}, {("plaintext-secret", ("headers", "X-A"))}),
        ({"headers": {"Host": "x"}}, {("forbidden-header", ("headers", "Host"))}),
        ({"headers": {"X-A": "a\r\nb"}}, {("invalid-header", ("headers", "X-A"))}),
        ({"method": "get"}, {("invalid-choice", ("method",))}),
        ({"method": "CONNECT"}, {("invalid-choice", ("method",))}),
        ({"body": {"type": "object"}}, {("conflicting-fields", ("body",))}),
        ({"method": "POST", "body": {"type": "object"}}, set()),
        ({"method": "POST", "body": []}, {("wrong-type", ("body",))}),
        (
            {"method": "POST", "body": {}, "parameters": {"body": STRING}},
            {("conflicting-fields", ("parameters", "body"))},
        ),
        ({"sql": "x"}, {("unknown-field", ("sql",))}),
        ({"timeout_seconds": 0}, {("out-of-range", ("timeout_seconds",))}),
    ],
)
def test_fields(fields: dict[str, Any], expected: Any) -> None:
    assert _found(**fields) == expected


def test_arrays_go_into_the_query_only() -> None:
    parameters = {"a": {"type": "array", "items": "string"}}
    assert _found(query={"a": "{a}"}, parameters=parameters) == set()
    assert _found(path="/v1/{a}", parameters=parameters) == {("parameter-mismatch", ("path",))}
    assert _found(headers={"X-A": "{a}"}, parameters=parameters) == {("parameter-mismatch", ("headers", "X-A"))}


def test_parameters_are_used_exactly_as_declared() -> None:
    fields: dict[str, Any] = {"path": "/v1/{id}", "query": {"q": "{q}"}, "headers": {"X-A": "{a}"}}
    assert _check(**fields, parameters={"id": STRING, "q": STRING, "a": STRING}) == []
    problems = _check(**fields, parameters={"idd": STRING})
    assert {(problem.code, problem.path) for problem in problems} == {
        ("undeclared-parameter", ("path",)),
        ("undeclared-parameter", ("query", "q")),
        ("undeclared-parameter", ("headers", "X-A")),
        ("unused-parameter", ("parameters", "idd")),
    }
    assert problems[0].hint == "did you mean `idd`?"


def test_the_method_is_allowed() -> None:
    assert _check(method="POST") == []
    (problem,) = _check(method="DELETE")
    assert (problem.code, problem.path, problem.expected) == ("method-not-allowed", ("method",), "GET, POST")


def test_caps_only_tighten() -> None:
    codes = {(problem.code, problem.path) for problem in _check(timeout_seconds=31, max_response_bytes=5242881)}
    assert codes == {("cap-exceeds-connector", (name,)) for name in ("timeout_seconds", "max_response_bytes")}


def test_the_connector_is_of_type_http() -> None:
    (problem,) = _check(connector=minimal("connector", "sql"))
    assert (problem.code, problem.path) == ("connector-mismatch", ("connector",))


@pytest.mark.parametrize(
    ("listed", "path", "covered"),
    [
        (["/v1/orders"], "/v1/orders", True),
        (["/v1/orders"], "/v1/orders/x", False),
        (["/v1/orders/*"], "/v1/orders/{id}", True),
        (["/v1/orders/*"], "/v1/orders/{id}/lines", True),
        (["/v1/orders/*"], "/v1/orders", False),
        (["/v1/*/lines"], "/v1/{id}/lines", True),
        (["/v1/{order}/lines"], "/v1/{id}/lines", True),
        (["/v1/open"], "/v1/{id}", False),
        (["/v1/o*"], "/v1/orders", True),
        (["/v1/o*"], "/v1/o{id}", False),
        (["/*"], "/v1/x", True),
        ([], "/anything", True),
        (["/v2/*", "/v1/*"], "/v1/x", True),
    ],
)
def test_the_path_is_among_those_of_the_datasource(listed: list[str], path: str, covered: bool) -> None:
    raw = minimal("template", "http", path=path, datasource="d", parameters={"id": STRING} if "{id}" in path else {})
    del raw["connector"]
    problems = checked(
        "template",
        "t",
        template_t=raw,
        datasource_d=minimal("datasource", "api", connector="crm", paths=listed),
        connector_crm=CONNECTOR,
    )
    assert [problem.code for problem in problems] == ([] if covered else ["path-not-in-datasource"])


def test_missing_targets_are_reported_elsewhere() -> None:
    assert checked("template", "t", template_t=minimal("template", "http")) == []


def test_references() -> None:
    made = [str(one.address) for one in KINDS["template"].references_of("acme", minimal("template", "http"))]
    assert made == ["acme/connector/crm"]

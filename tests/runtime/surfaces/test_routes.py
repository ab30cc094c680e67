"""The tables of routes say what handlers take and answer, and every error that a request can meet."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest
from jsonschema import Draft202012Validator
from starlette.responses import Response

from reconciler.load.serve_file import OperatorToken
from reconciler.runtime.surfaces.errors import EVERY_BODY, EVERY_CALL, EVERY_QUERY, EVERY_REQUEST, EVERY_SCOPE
from reconciler.runtime.surfaces.llm_paths import BY_PATH
from reconciler.runtime.surfaces.openapi import LISTENERS, openapi
from reconciler.runtime.surfaces.routes import Nothing, Route
from tests.conftest import ROOT

ALL = [route for routes in LISTENERS.values() for route in routes]
SCOPES = {*get_args(get_args(get_args(get_type_hints(OperatorToken)["scopes"])[0])[0])}


def named(route: Route[Any]) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", ALL, ids=named)
def test_a_line_says_what_its_handler_says(route: Route[Any]) -> None:
    hints = get_type_hints(route.handler)
    answer = hints.pop("return")
    _, _, takes = hints.values()
    assert takes == (type(None) if route.takes is Nothing else route.takes)
    kinds = {*(get_args(answer) if Response in get_args(answer) else (answer,))} - {Response}
    assert kinds <= {route.answer, dict[str, Any]}


@pytest.mark.parametrize("listener", LISTENERS)
def test_the_document_has_every_route(listener: str) -> None:
    document = openapi(listener)
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in re.findall(r'"\$ref": "#/components/([^"]+)"', json.dumps(document)):
        kind, _, name = reference.partition("/")
        assert name in document["components"][kind]
    operations = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    of_models = {f"POST {path}" for path in BY_PATH} | {"GET /v1/models", "GET /v1/models/{id}"}
    of_routes = operations - of_models if listener == "agents" else operations
    assert of_routes == {named(route) for route in LISTENERS[listener]}
    assert len(of_routes) == len(LISTENERS[listener]), "two lines for one method of one path"


def test_each_method_has_a_handler_of_its_own() -> None:
    handlers = [route.handler for route in ALL]
    assert len({*handlers}) == len(handlers)


def test_operators_need_a_scope_for_everything() -> None:
    assert {route.scope for route in LISTENERS["operators"]} <= {"evidence", "operate", "approve", "metrics"}
    assert {route.scope for route in LISTENERS["agents"]} == {None}


def problems(module: str) -> Iterator[tuple[int, str]]:
    """Yield status and code of each problem document that a module writes down."""
    tree = ast.parse((ROOT / "reconciler" / "runtime" / module).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and len(node.args) >= 2:
            first, second = node.args[:2]
            if isinstance(first, ast.Constant) and isinstance(second, ast.Constant) and isinstance(first.value, int):
                yield first.value, second.value


@pytest.mark.parametrize(
    "module", ["door.py", "surfaces/guard.py", "surfaces/requests.py", "surfaces/pages.py", "surfaces/hot.py"]
)
def test_every_error_before_a_handler_is_documented(module: str) -> None:
    groups = (EVERY_REQUEST, EVERY_BODY, EVERY_QUERY, EVERY_SCOPE)
    known = {(status, code) for group in groups for status, codes in group.items() for code in codes}
    found = {*problems(module)}
    assert found
    assert found <= known


def test_every_error_of_a_handler_is_documented() -> None:
    groups = (EVERY_REQUEST, EVERY_BODY, EVERY_QUERY, EVERY_SCOPE, EVERY_CALL)
    known = {(status, code) for group in groups for status, codes in group.items() for code in codes}
    framework = {(405, "declared-in-git"), (405, "method-not-allowed")}  # no operation that a document has
    for module in ("agents", "operators", "declared"):
        assert {*problems(f"surfaces/{module}.py")} <= known | framework

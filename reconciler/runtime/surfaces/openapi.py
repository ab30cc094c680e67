"""The OpenAPI 3.1 documents of both listeners, made from the tables of their routes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from reconciler import __version__
from reconciler.model.address import BARE_NAME, NAME_MAX
from reconciler.runtime.surfaces import agents, llm_openapi, operators
from reconciler.runtime.surfaces.answers import Problem
from reconciler.runtime.surfaces.errors import EVERY_BODY, EVERY_QUERY, EVERY_REQUEST, EVERY_SCOPE, Errors, merged
from reconciler.runtime.surfaces.routes import Nothing, Route

Schema = dict[str, Any]
LISTENERS: Mapping[str, Sequence[Route[Any]]] = {"agents": agents.ROUTES, "operators": operators.ROUTES}
_REFERENCE = "#/components/schemas/{name}"
_NAME = {"type": "string", "minLength": 1, "maxLength": 64}
_PATH_PARAMETERS: Mapping[str, Schema] = {
    "tenant": {"type": "string", "minLength": 1, "maxLength": NAME_MAX, "pattern": f"^{BARE_NAME}$"}
}
"""Path parameters of a form of their own; any other has the form of ``_NAME``."""


def openapi(listener: str) -> Schema:
    """Return the document of the listener for ``agents`` or ``operators``."""
    routes = LISTENERS[listener]
    is_for_agents = listener == "agents"
    schemas, components = _schemas(routes, llm_openapi.TYPES if is_for_agents else ())
    paths: dict[str, Schema] = llm_openapi.paths_of_models(_REFERENCE) if is_for_agents else {}
    errors: dict[str, Schema] = {}
    for route in routes:
        operation = _operation(route, schemas)
        for status, codes in _errors(route).items():
            name = ".".join((str(status), *codes))
            errors[name] = _error(codes)
            operation["responses"][str(status)] = {"$ref": f"#/components/responses/{name}"}
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    document = {
        "openapi": "3.1.0",
        "info": {"title": f"reconciler, for {listener}", "version": __version__},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": errors,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
    found: Schema = msgspec.json.decode(msgspec.json.encode(document))  # defaults may be tuples
    return found


def _schemas(routes: Sequence[Route[Any]], more: Sequence[Any]) -> tuple[dict[Any, Schema], dict[str, Schema]]:
    """Return the schema of each answer and body by its type, and the components that they refer to. ``more`` are further types."""
    types: list[Any] = [Problem, *more]
    for route in routes:
        types += [one for one in (route.answer, route.accepted, _body(route)) if one is not None and one not in types]
    made, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    return dict(zip(types, made, strict=True)), components


def _body(route: Route[Any]) -> type[Struct] | None:
    return None if route.method == "GET" or route.takes is Nothing else route.takes


def _operation(route: Route[Any], schemas: Mapping[Any, Schema]) -> Schema:
    """Return the operation of one route, without its errors."""
    parameters = [*_parameters(route)]
    body = _body(route)
    media = "text/plain" if route.answer is str else "application/json"
    done = {"description": "Success", "content": {media: {"schema": schemas[route.answer]}}}
    found: Schema = {"summary": route.summary, "responses": {"200": done}}
    if route.accepted is not None:
        told = {"application/json": {"schema": schemas[route.accepted]}}
        found["responses"]["202"] = {"description": "It waits.", "content": told}
    if parameters:
        found["parameters"] = parameters
    if body is not None:
        required = any(one.required for one in msgspec.structs.fields(body))
        found["requestBody"] = {"required": required, "content": {"application/json": {"schema": schemas[body]}}}
    return found


def _parameters(route: Route[Any]) -> Iterator[Schema]:
    for name in re.findall(r"{(\w+)}", route.path):
        yield {"name": name, "in": "path", "required": True, "schema": _PATH_PARAMETERS.get(name, _NAME)}
    if route.method == "GET":
        yield from _fields(route.takes, "query")
    if route.headers is not None:
        yield from _fields(route.headers, "header")


def _fields(of: type[Struct], where: str) -> Iterator[Schema]:
    """Yield a parameter for each field of a Struct."""
    (_,), components = msgspec.json.schema_components([of], ref_template=_REFERENCE)
    described = components[of.__name__]
    for name, schema in described["properties"].items():
        text = {"description": schema.pop("description")} if "description" in schema else {}
        yield {"name": name, "in": where, "required": name in described["required"], **text, "schema": schema}


def _errors(route: Route[Any]) -> Errors:
    """Return the codes of a route's problem documents by status."""
    groups = [EVERY_REQUEST, route.errors]
    if _body(route) is not None:
        groups.append(EVERY_BODY)
    elif route.takes is not Nothing:
        groups.append(EVERY_QUERY)
    if route.scope is not None:
        groups.append(EVERY_SCOPE)
    return merged(groups)


def _error(codes: tuple[str, ...]) -> Schema:
    """Return the response of a problem document that has one of these codes, or any where none is named."""
    schema: Schema = {"$ref": _REFERENCE.format(name=Problem.__name__)}
    if codes:
        schema = {"allOf": [schema, {"properties": {"code": {"enum": [*codes]}}}]}
    text = ", ".join(codes) if codes else "Error"
    return {"description": text, "content": {"application/problem+json": {"schema": schema}}}

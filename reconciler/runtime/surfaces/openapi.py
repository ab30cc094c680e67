"""The HTTP APIs described for programs (OpenAPI 3.1): what each route takes and answers."""

from __future__ import annotations

from typing import Any

from reconciler import __version__
from reconciler.kinds.table import KINDS
from reconciler.model.access import ACTIONS
from reconciler.model.kind import Ability
from reconciler.runtime.ledger.narrowing import MOST_CHARACTERS, OUTCOMES
from reconciler.runtime.surfaces.pages import CURSOR, MAX_CURSOR

_NAME = {"type": "string", "minLength": 1, "maxLength": 64}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "evidence_id": {"type": "string"},
        "upstream_status": {"type": "integer"},
        "outcome": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_TOOL = {
    "type": "object",
    "required": ["name", "description", "action", "read_only", "input_schema"],
    "properties": {
        "name": {"type": "string"},
        "description": {"type": "string"},
        "action": {"enum": [*ACTIONS]},
        "read_only": {"type": "boolean"},
        "input_schema": {"type": "object"},
    },
}
_PLANE = {
    "type": "object",
    "required": ["name", "description", "actions"],
    "properties": {
        "name": {"type": "string"},
        "description": {"type": "string"},
        "actions": {
            "type": "object",
            "propertyNames": {"enum": [*ACTIONS]},
            "additionalProperties": {
                "type": "object",
                "required": ["description", "read_only", "input_schema"],
                "properties": {
                    "description": {"type": "string"},
                    "read_only": {"type": "boolean"},
                    "input_schema": {"type": "object"},
                },
            },
        },
    },
}
_CALL = {
    "type": "object",
    "properties": {"arguments": {"type": "object", "description": "The values, by parameter."}},
    "additionalProperties": False,
}
_DONE = {
    "type": "object",
    "required": ["evidence_id", "result", "rows", "cut"],
    "properties": {
        "evidence_id": {"type": "string"},
        "result": {},
        "rows": {"type": ["integer", "null"]},
        "cut": {"type": "boolean", "description": "Whether there was more than the cap on rows."},
        "warnings": {"type": "array", "items": {"type": "string"}},
    },
}
_PAGED = [
    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 200}},
    {"name": "cursor", "in": "query", "schema": {"type": "string", "maxLength": MAX_CURSOR, "pattern": CURSOR}},
]


def _path(name: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema or _NAME}


def _answers(schema: dict[str, Any], *codes: int) -> dict[str, Any]:
    refused = {
        "description": "Why not.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    told = {"200": {"description": "Done.", "content": {"application/json": {"schema": schema}}}}
    return told | {str(code): refused for code in (401, 403, 413, 414, 421, 500, 503, *codes)}


def _body(schema: dict[str, Any], required: bool = False) -> dict[str, Any]:
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def _list(name: str, item: dict[str, Any]) -> dict[str, Any]:
    properties = {name: {"type": "array", "items": item}, "next_cursor": {"type": "string"}}
    return {"type": "object", "required": [name], "properties": properties}


_LIMITS = {
    "type": "object",
    "required": ["limits"],
    "properties": {
        "limits": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["target", "unit", "period", "limit", "used", "percent", "on_exceed"],
                "properties": {
                    "target": {"type": "string"},
                    "unit": {"enum": ["requests", "concurrent"]},
                    "period": {"type": ["string", "null"]},
                    "limit": {"type": "integer"},
                    "used": {"type": "integer"},
                    "percent": {"type": "number"},
                    "on_exceed": {"enum": ["block", "warn"]},
                },
            },
        }
    },
}
_CALLING = (400, 404, 409, 415, 422, 429, 500, 502, 504)
_RUN = {"name": "X-Run-Id", "in": "header", "schema": {"type": "string", "maxLength": 128}}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 255},
    "description": "A write that is sent again with the same key within a day is not done again: its result is told once "
    "more (Idempotency-Replayed: true), or 409 where it still runs or nobody knows what became of it.",
}
_AGENTS = {
    "/v1/limits": {"get": {"summary": "What you and your tenant have used.", "responses": _answers(_LIMITS)}},
    "/v1/tools": {
        "get": {
            "summary": "The tools that you may call.",
            "parameters": _PAGED,
            "responses": _answers(_list("tools", _TOOL), 400),
        }
    },
    "/v1/tools/{name}": {
        "get": {"summary": "One of them.", "parameters": [_path("name")], "responses": _answers(_TOOL, 404)}
    },
    "/v1/tools/{name}/call": {
        "post": {
            "summary": "Call it.",
            "parameters": [_path("name"), _RUN, _KEY],
            "requestBody": _body(_CALL),
            "responses": _answers(_DONE, *_CALLING),
        }
    },
    "/v1/planes": {
        "get": {
            "summary": "The planes on which you may do something.",
            "parameters": _PAGED,
            "responses": _answers(_list("planes", _PLANE), 400),
        }
    },
    "/v1/planes/{name}": {
        "get": {"summary": "One of them.", "parameters": [_path("name")], "responses": _answers(_PLANE, 404)}
    },
    "/v1/planes/{name}/{action}": {
        "post": {
            "summary": "Do something on a plane.",
            "parameters": [_path("name"), _path("action"), _RUN, _KEY],
            "requestBody": _body(_CALL),
            "responses": _answers(_DONE, *_CALLING),
        }
    },
}
_WORD = {"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"}
_TENANT = _path("tenant", _WORD)
_ANY: dict[str, Any] = {"type": "object"}
_EXPLAIN = {
    "type": "object",
    "required": ["caller", "target"],
    "properties": {
        "caller": _WORD,
        "target": {"type": "string"},
        "action": {"type": ["string", "null"]},
        "roles": {"type": "array", "items": {"type": "string"}, "description": "Roles that its token gives."},
        "claims": {"type": ["object", "null"], "description": "What its token claims, where that is known."},
        "key": {"type": "string", "description": "The id of its key."},
    },
    "additionalProperties": False,
}
_FREEZE = {
    "type": "object",
    "required": ["target", "reason"],
    "properties": {
        "target": {"type": "string"},
        "reason": {"type": "string", "minLength": 1, "maxLength": 1024},
        "allow_unknown": {"type": "boolean", "description": "Freeze a name ahead of time, before anything has it."},
    },
}
_TEXT = {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS}
_MOMENT = {"type": "string", "description": "A date or a moment (ISO 8601), e.g. 2026-11-30 or 2026-11-30T12:00Z."}
_NARROWING = [
    {"name": name, "in": "query", "schema": schema}
    for name, schema in (
        ("caller", _WORD),
        ("target", _TEXT),
        ("outcome", {"type": "string", "enum": [*OUTCOMES]}),
        ("run", _TEXT),
        ("from", _MOMENT),
        ("to", _MOMENT),
    )
]
_TOP = "/v1/tenants/{tenant}"
_OPERATORS = {
    f"{_TOP}/evidence": {
        "get": {
            "summary": "What was done and refused, the newest first.",
            "parameters": [_TENANT, *_PAGED, *_NARROWING],
            "responses": _answers(_list("evidence", _ANY), 400, 404),
        }
    },
    f"{_TOP}/evidence/{{id}}": {
        "get": {"summary": "One of it.", "parameters": [_TENANT, _path("id")], "responses": _answers(_ANY, 404)}
    },
    f"{_TOP}/limits": {
        "get": {"summary": "What is used of the limits.", "parameters": [_TENANT], "responses": _answers(_LIMITS, 404)}
    },
    f"{_TOP}/access/explain": {
        "post": {
            "summary": "What would happen, and why.",
            "parameters": [_TENANT],
            "requestBody": _body(_EXPLAIN, True),
            "responses": _answers(_ANY, 400, 404, 415, 422),
        }
    },
    f"{_TOP}/freezes": {
        "get": {"summary": "What is frozen.", "parameters": [_TENANT], "responses": _answers(_ANY, 404)},
        "post": {
            "summary": "Take something out of use.",
            "parameters": [_TENANT],
            "requestBody": _body(_FREEZE, True),
            "responses": _answers(_ANY, 400, 404, 415, 422),
        },
        "delete": {
            "summary": "Take it into use again.",
            "parameters": [_TENANT],
            "requestBody": _body(_FREEZE, True),
            "responses": _answers(_ANY, 400, 404, 415, 422),
        },
    },
}

_DECLARED = {
    "type": "object",
    "required": ["name", "type", "project", "generation", "drifted", "suspended", "frozen"],
    "properties": {
        "name": {"type": "string"},
        "type": {"type": ["string", "null"]},
        "project": {"type": ["string", "null"], "description": "Whose it is; null for what somebody made by hand."},
        "generation": {"type": "integer", "description": "The project's apply that is in force."},
        "drifted": {"type": "boolean", "description": "Whether it is other than it was applied."},
        "suspended": {"type": "boolean"},
        "frozen": {"type": "boolean"},
        "spec": {"type": "object"},
    },
}
for _kind in KINDS.values():
    _OPERATORS[f"{_TOP}/{_kind.plural}/{{name}}"] = {
        "get": {
            "summary": f"One {_kind.name}, with its spec.",
            "parameters": [_TENANT, _path("name")],
            "responses": _answers(_DECLARED, 404),
        }
    }
    if _kind.can(Ability.LISTED):
        _OPERATORS[f"{_TOP}/{_kind.plural}"] = {
            "get": {
                "summary": f"What of the kind {_kind.name} is in force.",
                "parameters": [_TENANT, *_PAGED],
                "responses": _answers(_list(_kind.plural, _DECLARED), 400, 404),
            }
        }


def openapi(listener: str) -> dict[str, Any]:
    """Of the listener for ``agents`` or ``operators``."""
    paths = _AGENTS if listener == "agents" else _OPERATORS
    return {
        "openapi": "3.1.0",
        "info": {"title": f"reconciler, for {listener}", "version": __version__},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }

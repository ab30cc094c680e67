"""Templates of type function: the body, parameters beside it, and their connector."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.table import KINDS
from reconciler.kinds.template.action import action_of

from .support import body, checked, found, minimal

CONNECTOR = minimal("connector", "serverless", functions=["resize", "other"])
GOOGLE = {
    "type": "serverless",
    "provider": "gcp_functions",
    "region": "europe-west4",
    "project": "p",
    "functions": ["resize"],
}
STRING = {"type": "string"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 5}}}


def _found(**fields: Any) -> Any:
    return found("template", minimal("template", "function", **fields))


def _codes(connector: Any = CONNECTOR, **fields: Any) -> set[str]:
    raw = minimal("template", "function", **fields)
    return {one.code for one in checked("template", "t", template_t=raw, connector_images=connector)}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, set()),
        ({"body": SCHEMA}, set()),
        ({"body": SCHEMA, "parameters": {"b": STRING}}, set()),
        ({"parameters": {"b": STRING}, "mode": "async"}, set()),
        ({"body": []}, {("wrong-type", ("body",))}),
        ({"body": {"type": "nothing"}}, {("invalid-schema", ("body", "type"))}),
        ({"body": SCHEMA, "parameters": {"a": STRING}}, {("conflicting-fields", ("parameters", "a"))}),
        ({"body": SCHEMA, "parameters": {"body": STRING}}, {("conflicting-fields", ("parameters", "body"))}),
        ({"body": {"type": "array"}, "parameters": {"b": STRING}}, {("conflicting-fields", ("body",))}),
        ({"action": "search"}, {("conflicting-fields", ("action",))}),
        ({"mode": "later"}, {("invalid-choice", ("mode",))}),
    ],
)
def test_fields(fields: dict[str, Any], expected: Any) -> None:
    assert _found(**fields) == expected


@pytest.mark.parametrize(
    ("connector", "fields", "codes"),
    [
        (CONNECTOR, {}, set()),
        (CONNECTOR, {"function": "resise"}, {"function-not-in-connector"}),
        ({**CONNECTOR, "functions": []}, {}, {"function-not-in-connector"}),
        ({**CONNECTOR, "read_only": True}, {}, {"connector-read-only"}),
        ({**CONNECTOR, "read_only": False}, {}, set()),
        (GOOGLE, {}, set()),
        (GOOGLE, {"mode": "async"}, {"conflicting-fields"}),
        (CONNECTOR, {"timeout_seconds": 61}, {"cap-exceeds-connector"}),
        (CONNECTOR, {"max_response_bytes": 2**23}, {"cap-exceeds-connector"}),
        (minimal("connector", "http"), {}, {"connector-mismatch"}),
    ],
)
def test_check(connector: Any, fields: dict[str, Any], codes: set[str]) -> None:
    assert _codes(connector, **fields) == codes


def test_it_writes() -> None:
    assert action_of(body("template", minimal("template", "function"))) == "write"
    assert KINDS["connector"].unserved(body("connector", GOOGLE)) is None

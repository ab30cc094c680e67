"""Which changes of a pinned definition widen what a tool takes, hide text, or send values in headers."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.connector.mcp_widening import hides_text, sends_in_headers, widens
from reconciler.model.body import drop, put

PATH = ("input", "properties", "path")
BASE: dict[str, Any] = {
    "description": "Reads a file.",
    "input": {
        "type": "object",
        "properties": {
            "path": {"type": "string", "pattern": "^/srv/", "maxLength": 100, "minLength": 1},
            "mode": {"enum": ["r", "s"]},
            "kind": {"const": "file"},
            "most": {"type": "integer", "minimum": 1, "maximum": 10},
            "deep": {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
            "list": {"type": "array", "items": {"enum": [1, 2]}, "maxItems": 3},
        },
        "required": ["path"],
        "additionalProperties": False,
    },
    "annotations": {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False},
}
INPUT = ("input", "properties")
WIDER: list[tuple[tuple[str, ...], Any]] = [
    ((*INPUT, "new"), {"type": "string"}),
    ((*PATH, "pattern"), None),
    ((*PATH, "pattern"), ".*"),
    ((*PATH, "maxLength"), None),
    ((*PATH, "maxLength"), 101),
    ((*PATH, "minLength"), 0),
    ((*PATH, "type"), None),
    ((*PATH, "type"), ["string", "null"]),
    ((*INPUT, "mode", "enum"), None),
    ((*INPUT, "mode", "enum"), ["r", "s", "w"]),
    ((*INPUT, "kind", "const"), None),
    ((*INPUT, "kind", "const"), "folder"),
    ((*INPUT, "most", "maximum"), 11),
    ((*INPUT, "most", "minimum"), None),
    ((*INPUT, "deep", "additionalProperties"), None),
    ((*INPUT, "deep", "properties", "b"), {}),
    ((*INPUT, "list", "items", "enum"), [1, 2, 3]),
    ((*INPUT, "list", "items"), None),
    ((*INPUT, "list", "maxItems"), None),
    (("input", "required"), None),
    (("input", "additionalProperties"), True),
    (("annotations", "readOnlyHint"), False),
    (("annotations", "readOnlyHint"), None),
    (("annotations", "destructiveHint"), None),
    (("annotations", "idempotentHint"), False),
    (("annotations", "openWorldHint"), True),
    (("annotations",), None),
]
NARROWER: list[tuple[tuple[str, ...], Any]] = [
    (("description",), "Reads one file."),
    ((*PATH, "maxLength"), 50),
    ((*INPUT, "mode", "enum"), ["r"]),
    ((*INPUT, "most", "maximum"), 9),
    ((*INPUT, "deep"), None),
    (("input", "required"), ["path", "mode"]),
    ((*PATH, "description"), "The path."),
    (("annotations", "title"), "x"),
]


def changed(path: tuple[str, ...], value: Any) -> Any:
    return drop(BASE, path) if value is None else put(BASE, path, value)


@pytest.mark.parametrize(("path", "value"), WIDER, ids=str)
def test_this_widens(path: tuple[str, ...], value: Any) -> None:
    assert widens(BASE, changed(path, value))


@pytest.mark.parametrize(("path", "value"), NARROWER, ids=str)
def test_this_does_not(path: tuple[str, ...], value: Any) -> None:
    assert not widens(BASE, changed(path, value))
    assert not widens(BASE, BASE)


@pytest.mark.parametrize("text", ["read\u200bme", "a\U000e0041b", "a\u202eb", "a\ufeff"])
@pytest.mark.parametrize("path", [("description",), (*PATH, "description"), (*INPUT, "mode", "enum")])
def test_hidden_text_is_found_wherever_it_stands(path: tuple[str, ...], text: str) -> None:
    assert hides_text(None, changed(path, [text] if path[-1] == "enum" else text))
    assert not hides_text(None, BASE)


def test_a_value_in_a_header_is_found() -> None:
    sent = changed((*PATH, "x-mcp-header"), "Path")
    assert sends_in_headers(BASE, sent)
    assert not sends_in_headers(sent, BASE)
    assert not sends_in_headers(sent, sent)

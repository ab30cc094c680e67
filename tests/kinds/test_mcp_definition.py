"""What is pinned of a tool, by which digest, and which tools can't be pinned."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from reconciler.kinds.connector.mcp_definition import (
    Definition,
    Malformed,
    checked,
    definition_of,
    for_agents,
    headers_of,
)

TOLD: dict[str, Any] = {
    "name": "create_issue",
    "title": "Create",
    "description": "Creates an issue.",
    "inputSchema": {"type": "object", "properties": {"owner": {"type": "string"}, "size": {"minimum": 1.0}}},
    "outputSchema": {"type": "object"},
    "annotations": {"readOnlyHint": False},
    "icons": [{"src": "x"}],
    "_meta": {"a": 1},
    "execution": {"taskSupport": "optional"},
}


def test_the_digest_is_that_of_the_documented_members() -> None:
    """An independent reading of the docs: sorted compact JSON of six members, numbers in one form."""
    kept = {key: TOLD[key] for key in ("name", "title", "description", "inputSchema", "outputSchema", "annotations")}
    kept["inputSchema"] = {"type": "object", "properties": {"owner": {"type": "string"}, "size": {"minimum": 1}}}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert definition_of(TOLD).digest == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("member", ["icons", "_meta", "execution", "instructions"])
def test_nothing_else_is_pinned(member: str) -> None:
    assert definition_of({**TOLD, member: "another"}).digest == definition_of(TOLD).digest


@pytest.mark.parametrize("member", ["name", "title", "description", "inputSchema", "outputSchema", "annotations"])
def test_each_member_counts(member: str) -> None:
    other = {"type": "object", "title": "another"} if member.endswith("Schema") else {"a": 1}
    changed = {**TOLD, member: other if isinstance(TOLD[member], dict) else "another"}
    assert definition_of(changed).digest != definition_of(TOLD).digest


def test_a_lock_gives_back_what_was_pinned() -> None:
    found = definition_of(TOLD)
    assert checked(found.name, found.members) == found
    assert Definition(found.name, {**found.members}).digest == found.digest


DEEP: dict[str, Any] = {"type": "object"}
for _ in range(70):
    DEEP = {"type": "object", "properties": {"a": DEEP}}
WRONG = [
    ({"name": ""}, "no name"),
    ({"name": 5}, "no name"),
    ({"inputSchema": None}, "no inputSchema"),
    ({"inputSchema": {"type": "string"}}, "not one of an object"),
    ({"inputSchema": {"type": "object", "properties": {"a": {"type": "no-type"}}}}, "can't be used"),
    ({"inputSchema": {"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}}, "can't be used"),
    ({"inputSchema": {"type": "object", "properties": {"a": {"maximum": 2**53}}}}, "number"),
    ({"inputSchema": DEEP}, "levels"),
    ({"description": "\ud800"}, "surrogate"),
    ({"description": "x" * 70_000}, "65536"),
    ({"description": 5}, "no text"),
    ({"annotations": []}, "no map"),
    ({"outputSchema": {"type": "array"}}, "not one of an object"),
    ({"title": "a\x00"}, "control"),
]


@pytest.mark.parametrize(("change", "says"), WRONG, ids=lambda one: str(one)[:40])
def test_a_malformed_tool_is_told(change: dict[str, Any], says: str) -> None:
    with pytest.raises(Malformed, match=says):
        definition_of({**TOLD, **change})


@pytest.mark.parametrize("told", [None, [], "tool", 5])
def test_what_is_no_map_is_malformed(told: Any) -> None:
    with pytest.raises(Malformed):
        definition_of(told)


def test_every_draft_of_schemas_is_taken() -> None:
    for draft in ("draft-04", "draft-06", "draft-07"):
        schema = {"$schema": f"http://json-schema.org/{draft}/schema#", "type": "object"}
        definition_of({**TOLD, "inputSchema": schema})
    definition_of(
        {**TOLD, "inputSchema": {"$schema": "https://json-schema.org/draft/2019-09/schema", "type": "object"}}
    )


def test_headers_are_found_and_left_out() -> None:
    schema = {
        "type": "object",
        "properties": {"region": {"type": "string", "x-mcp-header": "Region"}, "x-mcp-header": {"type": "string"}},
    }
    assert headers_of(schema) == {"region": "Region"}
    shown = for_agents(schema)
    assert shown["properties"] == {"region": {"type": "string"}, "x-mcp-header": {"type": "string"}}

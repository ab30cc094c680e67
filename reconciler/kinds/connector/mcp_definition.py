"""The definition of a tool as its server tells it: what is pinned of it, its digest, and why one can't be used.

Pinned, digested and passed on are name, title, description, inputSchema, outputSchema and annotations; nothing else. The
digest is SHA-256 over sorted compact JSON of those that the server gives, numbers in one form (1.0 is 1).
Source of the members: Model Context Protocol, `tools/list`, revisions 2025-06-18 to 2026-07-28.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from msgspec import Struct
from pydantic_core import PydanticCustomError

from reconciler.kinds.schema_engine import UnusableSchema, require_usable
from reconciler.kinds.template.schema_cost import TooMuch, require_bounded
from reconciler.model.body import canonical
from reconciler.model.characters import visible
from reconciler.model.fields import free_json
from reconciler.model.integers import SAFE_INTEGER
from reconciler.strict_json import NotStrict, write

MEMBERS: Mapping[str, str] = {
    "title": "title",
    "description": "description",
    "inputSchema": "input",
    "outputSchema": "output",
    "annotations": "annotations",
}
"""What is pinned besides the name: as the server calls it, and as a lock and a body do."""
_PROSE = frozenset({"title", "description", "$comment"})
MOST_LEVELS = 64
MOST_BYTES = 64 * 1024
"""Of a whole definition."""
HEADER = "x-mcp-header"
"""The keyword of a property whose value is sent in a header too."""


class Malformed(ValueError):
    """A tool can't be pinned; the text says why."""


class Definition(Struct, frozen=True):
    """What is pinned of a tool. ``members`` are those of ``MEMBERS`` that the server gave, by a lock's names."""

    name: str
    members: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Return `sha256:` and 64 hexadecimal digits."""
        told = {wire: self.members[own] for wire, own in MEMBERS.items() if own in self.members}
        return f"sha256:{sha256(canonical({'name': self.name, **told}).encode()).hexdigest()}"


def definition_of(told: Any) -> Definition:
    """Return what is pinned of a tool as a server tells it. Raises Malformed."""
    if not isinstance(told, Mapping) or not isinstance(told.get("name"), str) or not told["name"]:
        raise Malformed("it has no name")
    members = {own: told[wire] for wire, own in MEMBERS.items() if told.get(wire) is not None}
    return checked(told["name"], members)


def checked(name: str, members: Mapping[str, Any]) -> Definition:
    """Return the definition with its numbers in one form. Raises Malformed for one that can't be used."""
    for member in ("title", "description"):
        if not isinstance(members.get(member, ""), str):
            raise Malformed(f"its {member} is no text")
    if not isinstance(members.get("annotations", {}), Mapping):
        raise Malformed("its annotations are no map")
    try:
        size = len(write({"name": name, **members}))
        found: dict[str, Any] = {key: free_json(value, most=MOST_LEVELS) for key, value in members.items()}
        _require_safe(found)
    except NotStrict as error:
        raise Malformed(str(error)) from None
    except PydanticCustomError as error:
        raise Malformed(error.message()) from None
    if size > MOST_BYTES:
        raise Malformed(f"its definition is longer than {MOST_BYTES} bytes")
    if "input" not in found:
        raise Malformed("it has no inputSchema")
    for member in ("input", "output"):
        _require_schema(member, found.get(member, {"type": "object"}))
    return Definition(name, found)


def _require_safe(value: Any) -> None:
    """Raise Malformed for a number that clients and servers of tools may read as another one."""
    if isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            _require_safe(item)
    elif isinstance(value, int | float) and abs(value) > SAFE_INTEGER:
        raise Malformed("expected numbers between -(2^53 - 1) and 2^53 - 1")


def _require_schema(member: str, schema: Any) -> None:
    if not isinstance(schema, Mapping) or schema.get("type", "object") != "object":
        raise Malformed(f"its {member} schema is not one of an object")
    try:
        require_bounded(schema)
        require_usable(schema, foreign=True)
    except (TooMuch, UnusableSchema) as error:
        raise Malformed(f"its {member} schema can't be used: {error or 'no value can be held against it'}") from None


def digest_of(name: str, members: Mapping[str, Any]) -> str:
    """Return the digest of the members that a lock or a body keeps."""
    return Definition(name, members).digest


def headers_of(schema: Any) -> dict[str, str]:
    """Return the header of each property at the top of a schema whose value is sent in one, by the property's name."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    found = properties.items() if isinstance(properties, Mapping) else ()
    return {name: one[HEADER] for name, one in found if isinstance(one, Mapping) and isinstance(one.get(HEADER), str)}


def for_agents(schema: Any, named: bool = False) -> Any:
    """Return a schema as agents see it: without that keyword, and its prose without what a person doesn't see.

    ``named``: the keys are names of properties, and no keywords.
    """
    if isinstance(schema, Mapping):
        return {
            key: visible(value)
            if isinstance(value, str) and key in _PROSE and not named
            else for_agents(value, key == "properties" and not named)
            for key, value in schema.items()
            if named or key != HEADER
        }
    return [*map(for_agents, schema)] if isinstance(schema, list) else schema

"""JSON searched text by text: what carries data is looked at, and what only names things is left as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from reconciler.runtime.guardrails.guard import Blocked, Guard, Hits
from reconciler.runtime.guardrails.search import redacted

NAMES = frozenset(
    [
        "id",
        "object",
        "model",
        "type",
        "role",
        "created",
        "created_at",
        "status",
        "finish_reason",
        "stop_reason",
        "system_fingerprint",
        "call_id",
        "item_id",
        "tool_call_id",
        "tool_use_id",
        "previous_response_id",
        "service_tier",
        "sequence_number",
        "signature",
        "encrypted_content",
        "prompt_cache_key",
    ]
)
"""Keys of a model's requests and answers whose values no model and no agent writes text into."""
_ARGUMENTS = frozenset({"arguments", "partial_json", "input"})
"""Keys of what a tool is called with: JSON, as a text or as it is."""
_TOOL_KEYS = frozenset({"tool_calls", "function_call"})
_TOOL_TYPES = frozenset(
    ["function_call", "custom_tool_call", "tool_use", "server_tool_use", "mcp_call", "mcp_tool_use", "local_shell_call"]
)
_MEDIA = frozenset({"data", "file_data", "b64_json"})
_LEAST_DIGITS = 9
"""Of a number that is searched as a text."""

Find = Callable[[str], str]


class Place(NamedTuple):
    """Where a text stands. ``is_fixed``: nothing may be put in its place; ``is_data``: keys and numbers are searched too."""

    is_fixed: bool = False
    is_data: bool = False


ANYWHERE = Place()


class Walk:
    """Applies guardrails with detectors to all texts of a JSON value."""

    def __init__(self, guards: Sequence[Guard], hits: Hits, fixes_tools: bool, names: frozenset[str] = NAMES) -> None:
        """``fixes_tools``: calls of tools are never changed, since something is done by them."""
        self._guards, self._hits = [one for one in guards if one.detectors], hits
        self._fixes_tools, self._names = fixes_tools, names

    def text(self, text: str, place: Place = ANYWHERE) -> str:
        """Return a text as it may go on. Raises Blocked."""
        for guard in self._guards:
            found = redacted(guard.detectors, text)
            if found.names:
                self._hits.note(guard, len(found.names))
                if guard.action == "redact":
                    if place.is_fixed:
                        raise Blocked(guard.name)
                    text = found.text
        return text

    def value(self, value: Any, place: Place = ANYWHERE) -> Any:
        """Return a value as it may go on; the same object where nothing changes. Raises Blocked."""
        if isinstance(value, str):
            return self.text(value, place)
        if isinstance(value, Mapping):
            return self._map(value, place)
        if isinstance(value, list | tuple):
            made = [self.value(item, place) for item in value]
            return value if all(map(_is, made, value)) else made
        if place.is_data and isinstance(value, int | float) and not isinstance(value, bool):
            text = str(value)
            found = self.text(text, place) if len(text) >= _LEAST_DIGITS else text
            return value if found == text else found
        return value

    def arguments(self, text: str, place: Place) -> str:
        """Return what a tool is called with, as JSON text: its texts are searched as they are read, past any escape."""
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return self.text(text, place)
        if not isinstance(value, dict | list):
            return self.text(text, place)
        made = self.value(value, place._replace(is_data=True))
        return text if made is value else orjson.dumps(made).decode()

    def _map(self, value: Mapping[str, Any], place: Place) -> Any:
        if not place.is_data:
            is_tool = self._fixes_tools and value.get("type") in _TOOL_TYPES
            place = place._replace(is_fixed=place.is_fixed or is_tool or bool(value.get("signature")))
        made = {self._key(key, place): self._item(key, item, value, place) for key, item in value.items()}
        return (
            value
            if len(made) == len(value) and all(map(_is, made.values(), value.values())) and [*made] == [*value]
            else made
        )

    def _key(self, key: str, place: Place) -> str:
        return self.text(key, place) if place.is_data else key

    def _item(self, key: str, item: Any, within: Mapping[str, Any], place: Place) -> Any:
        if place.is_data:
            return self.value(item, place)
        if key in self._names or (key in _MEDIA and within.get("type") != "text"):
            return item
        if isinstance(item, str) and item.startswith("data:") and ";base64," in item[:200]:
            return item
        if key in _TOOL_KEYS:
            return self.value(item, place._replace(is_fixed=place.is_fixed or self._fixes_tools))
        if key in _ARGUMENTS and (within.get("type") in _TOOL_TYPES or "name" in within):
            fixed = place._replace(is_fixed=place.is_fixed or self._fixes_tools)
            return (
                self.arguments(item, fixed) if isinstance(item, str) else self.value(item, fixed._replace(is_data=True))
            )
        if key == "logprobs" and item and any(one.action != "warn" for one in self._guards):
            return [] if isinstance(item, list) else None  # its tokens are the text once more, in pieces
        return self.value(item, place)


def _is(one: Any, other: Any) -> bool:
    return one is other

"""Tools to find tools with, for callers that have too many to list: ranked by BM25 over names, descriptions and arguments.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009); k1 and b as usual.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from heapq import nlargest
from typing import Any, NamedTuple

from reconciler import strict_json
from reconciler.access.target import Target
from reconciler.runtime.surfaces.offer import Tools, entries

FIND, CALL = "find_tools", "call_tool"
MOST_FOUND, USUAL = 20, 5
LONGEST_QUERY = 1000
_K1, _B = 1.2, 0.75
_NAME_WEIGHT = 3
_WORD = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])|\d+")
SEARCH_TOOLS = tuple(
    strict_json.write(tool)
    for tool in (
        {
            "name": FIND,
            "title": "Find tools",
            "description": "Finds tools by what they do, the best match first, with the arguments of each.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "query": {"type": "string", "description": "A few words about what is to be done."},
                    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_FOUND, "default": USUAL},
                },
                "required": ["query"],
                "additionalProperties": False,
            },
            "annotations": {"readOnlyHint": True, "destructiveHint": False},
        },
        {
            "name": CALL,
            "title": "Call a tool",
            "description": f"Calls a tool that `{FIND}` has found.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "The tool's name."},
                    "arguments": {"type": "object", "description": "What the tool's `inputSchema` asks for."},
                },
                "required": ["name"],
                "additionalProperties": False,
            },
            "annotations": {"readOnlyHint": False, "destructiveHint": True},
        },
    )
)
"""Both as MCP lists them."""


class Index(NamedTuple):
    """Tools by the words in them: for each word, how much it says for each tool. ``listed`` are the tools as MCP lists them."""

    weights: Mapping[str, Mapping[int, float]]
    listed: tuple[bytes, ...]

    def find(self, query: str, most: int) -> list[bytes]:
        """Return the tools that match best, as MCP lists them."""
        scores: dict[int, float] = {}
        for word in {*words(query)}:
            for tool, weight in self.weights.get(word, {}).items():
                scores[tool] = scores.get(tool, 0.0) + weight
        best = nlargest(most, scores, key=lambda tool: (scores[tool], -tool))
        return [self.listed[tool] for tool in best]


def index_of(tools: Tools) -> Index:
    """Return the index of a set of tools."""
    listed = entries(tools)
    counts = [_counted(name, target) for name, target in tools.items()]
    usual = sum(found.total() for found in counts) / len(counts) if counts else 1.0
    holders = Counter(word for found in counts for word in found)
    weights: dict[str, dict[int, float]] = {}
    for tool, found in enumerate(counts):
        length = _K1 * (1 - _B + _B * found.total() / usual)
        for word, times in found.items():
            rarity = math.log(1 + (len(counts) - holders[word] + 0.5) / (holders[word] + 0.5))
            weights.setdefault(word, {})[tool] = rarity * times * (_K1 + 1) / (times + length)
    return Index(weights, tuple(listed.values()))


def words(text: str) -> list[str]:
    """Return the words of a text or a name, in one case and without a plural's s."""
    found = (word.lower() for word in _WORD.findall(text))
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in found]


def _counted(name: str, target: Target) -> Counter[str]:
    pinned = (target.part or {}).get("definition") or {}
    texts = [target.description, str(pinned.get("title") or "")]
    properties: Any = target.input_schema.get("properties")
    for argument, schema in properties.items() if isinstance(properties, Mapping) else ():
        texts += [argument, str(schema.get("description") or "") if isinstance(schema, Mapping) else ""]
    found = Counter(word for text in texts for word in words(text))
    for word in words(name):
        found[word] += _NAME_WEIGHT
    return found


__all__ = ["CALL", "FIND", "LONGEST_QUERY", "MOST_FOUND", "SEARCH_TOOLS", "USUAL", "Index", "index_of", "words"]

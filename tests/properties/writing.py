"""Values as YAML, in flow style (which is JSON) or in blocks; for the real loader to read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

from .bodies import TENANT, Number

# libyaml takes these for line ends, or for no characters of a text file, unless they are escaped
_ESCAPED = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")


def scalar(value: Any) -> str:
    """Text is quoted, with ``${`` written as ``$${``; the tenant becomes ``${tenant}``."""
    if isinstance(value, Number):
        return str(value)
    if not isinstance(value, str):
        return json.dumps(value)
    text = json.dumps(value.replace("${", "$${").replace(TENANT, "${tenant}"), ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _key(text: str) -> str:
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def _block(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        pairs = [(_key(key) + ":", item) for key, item in value.items()]
    else:
        pairs = [("-", item) for item in value]
    for lead, item in pairs:
        if isinstance(item, dict | list | tuple) and item:
            yield f"{indent}{lead}"
            yield from _block(item, indent + "  ")
        else:
            yield f"{indent}{lead} {flow(item)}"


def _shuffled(value: Any, random: Random, path: tuple[str, ...] = ()) -> Any:
    """Keys in another order, and sets too; lists whose order means something stay."""
    if isinstance(value, dict):
        keys = random.sample(list(value), len(value))
        return {key: _shuffled(value[key], random, (*path, key)) for key in keys}
    if isinstance(value, list | tuple):
        items = [_shuffled(item, random, (*path, "")) for item in value]
        if path and path[-1] in SETS and "config" not in path and "extent" not in path and "options" not in path:
            random.shuffle(items)
        return items
    return value


SETS = frozenset(
    [
        "models",
        "beta",
        "allowed_methods",
        "network_exceptions",
        "capabilities",
        "scopes",
        "functions",
        "topics",
        "brokers",
        "tables",
        "collections",
        "paths",
        "access_roles",
        "tags",
        "enum",
        "moved",
        "removed",
        "adopt",
        "external",
    ]
)
"""The fields that are sets, by their last name."""


def document_text(document: dict[str, Any], random: Random | None) -> str:
    """One document that ends with a line's end."""
    if random is None:
        return flow(document) + "\n"
    value = _shuffled(document, random)
    return flow(value) + "\n" if random.randrange(2) else "\n".join(_block(value, "")) + "\n"

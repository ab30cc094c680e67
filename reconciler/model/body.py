"""Canonical JSON of a resource's body: the bytes that digests, plans and the database agree on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeAlias

import orjson

from reconciler.errors import Path
from reconciler.remembered import remembered

Body: TypeAlias = dict[str, Any]
"""JSON as Python values: the whole, normalised spec of one resource, defaults included."""

_MISSING = object()


def canonical(value: Any) -> str:
    """JSON text with sorted keys and no spaces; equal values give equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def digest(value: Any) -> str:
    """BLAKE2b-128 of the canonical JSON, as 32 hexadecimal digits."""
    return digest_of_text(canonical(value))


@remembered(4096)
def digest_of_text(text: str) -> str:
    """Return the same of what is canonical JSON already."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=4096)
def paths_text(paths: frozenset[Path] | tuple[Path, ...]) -> str:
    """Return paths as a sorted list in JSON. Resources of one type mostly write the same paths."""
    return orjson.dumps(sorted((list(path) for path in paths), key=str)).decode()


def get(body: Any, path: Path, default: Any = None) -> Any:
    """Return the value at ``path``, or ``default`` where the path leads nowhere."""
    for part in path:
        try:
            body = body[part]
        except (KeyError, IndexError, TypeError):
            return default
    return body


def has(body: Any, path: Path) -> bool:
    """Whether ``path`` leads to a value (null is one)."""
    return get(body, path, _MISSING) is not _MISSING


def put(body: Any, path: Path, value: Any) -> Any:
    """Return a copy of ``body`` with ``value`` at ``path``; only what lies on the path is copied, missing maps are made."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(body, list) and isinstance(head, int):
        return [put(item, rest, value) if i == head else item for i, item in enumerate(body)]
    known = body if isinstance(body, Mapping) else {}
    return {**known, head: put(known.get(head), rest, value)}


def drop(body: Any, path: Path) -> Any:
    """Return a copy of ``body`` without what stands at ``path``."""
    if not path or not has(body, path):
        return body
    head, rest = path[0], path[1:]
    if isinstance(body, Mapping):
        if rest:
            return {**body, head: drop(body[str(head)], rest)}
        return {key: item for key, item in body.items() if key != head}
    if rest:
        return [drop(item, rest) if i == head else item for i, item in enumerate(body)]
    return [item for i, item in enumerate(body) if i != head]


def leaves(body: Any, prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is not a non-empty map, with its path; lists are values."""
    if isinstance(body, Mapping) and body:
        for key in sorted(body):
            yield from leaves(body[key], (*prefix, key))
    else:
        yield prefix, body


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same in JSON. For Python, True == 1 too."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def dotted(path: Path) -> str:
    """``("auth", "headers", 0)`` as people write it: ``auth.headers[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text

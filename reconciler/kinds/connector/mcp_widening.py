"""What a changed definition of a tool lets through that the pinned one did not, hides, or sends elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.kinds.connector.mcp_definition import HEADER
from reconciler.model.body import same
from reconciler.model.characters import unseen
from reconciler.model.risk import ABSENT

_HINTS = {"readOnlyHint": (True, False), "destructiveHint": (False, True), "idempotentHint": (True, False)} | {
    "openWorldHint": (False, True)
}
"""Of each hint: the value that promises something, and what its absence stands for."""
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_CONDITIONS = ("const", "pattern", "format", "not", "multipleOf", "uniqueItems", "dependentRequired", "$ref")
BRANCHES = ("allOf", "anyOf", "oneOf")


def widens(before: Any, after: Any) -> bool:
    """Whether a definition promises less, or takes more, than the one before. A first one, and none any more, do not."""
    if before is ABSENT or after is ABSENT:
        return False
    return _weaker_hint(before, after) or any(_widened(before.get("input"), after.get("input")))


def _weaker_hint(before: Any, after: Any) -> bool:
    old, new = (one.get("annotations") or {} for one in (before, after))
    return any(
        old.get(hint, absent) is promise and new.get(hint, absent) is not promise
        for hint, (promise, absent) in _HINTS.items()
    )


def _widened(old: Any, new: Any) -> Iterator[bool]:
    """Yield whether a schema takes more, place by place; where one is no map, any difference counts."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        yield not same(old, new) and new is not False
        return
    yield _types(new) - _types(old) != set() or ("type" in old and "type" not in new)
    yield from (word in old and not same(old[word], new.get(word)) for word in _CONDITIONS)
    yield "enum" in old and ("enum" not in new or any(not any(same(a, b) for b in old["enum"]) for a in new["enum"]))
    yield from (word in old and (word not in new or new[word] > old[word]) for word in _UPPER)
    yield from (word in old and (word not in new or new[word] < old[word]) for word in _LOWER)
    yield bool({*old.get("required", ())} - {*new.get("required", ())})
    yield old.get("additionalProperties", True) is not True and not same(
        old.get("additionalProperties"), new.get("additionalProperties")
    )
    yield from (word in old and not same(old[word], new.get(word)) for word in BRANCHES)
    mine, other = (one.get("properties") or {} for one in (old, new))
    yield bool(other.keys() - mine.keys())
    for name in mine.keys() & other.keys():
        yield from _widened(mine[name], other[name])
    for word in ("items", "$defs", "definitions"):
        if word in old or word in new:
            yield from _below(word, old.get(word), new.get(word))


def _below(word: str, old: Any, new: Any) -> Iterator[bool]:
    if word == "items" or not isinstance(old, Mapping) or not isinstance(new, Mapping):
        yield from _widened({} if old is None else old, {} if new is None else new)
        return
    for name in old.keys() & new.keys():
        yield from _widened(old[name], new[name])


def _types(schema: Mapping[str, Any]) -> set[str]:
    said = schema.get("type", ())
    return {said} if isinstance(said, str) else {*said}


def hides_text(_before: Any, after: Any) -> bool:
    """Whether a definition has characters that a model reads and a person doesn't see."""
    return after is not ABSENT and any(next(unseen(text), None) is not None for text in _texts(after))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield key
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def sends_in_headers(before: Any, after: Any) -> bool:
    """Whether the value of an argument goes into a header that it did not go into before: proxies and logs see those."""
    return bool(_headers(after) - _headers(before))


def _headers(value: Any) -> set[str]:
    if isinstance(value, Mapping):
        own = {str(value[HEADER])} if HEADER in value else set()
        return own.union(*map(_headers, value.values()))
    return set().union(*map(_headers, value)) if isinstance(value, list) else set()


def fewer(before: Any, after: Any) -> bool:
    """Whether an argument is no longer fixed or narrowed."""
    return bool({*(before or ())} - {*(after or ())})

"""Hostile values for every place of a template of type `vector`, made from a few hundred seeds."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

FRAGMENTS = [
    *("' OR '1'='1", "'; DROP TABLE articles; --", '" OR 1=1', "\\", "\\'", "$1", "$$", "/*", "*/", "--", "::text", "E'\\047"),
    *('{"$ne": null}', '{"$or": []}', "$where", "$and", "{{", "}}", "{vector}", "{team}", "*", "%", "_", "?", "#document"),
    *("../", "/points/delete", "?wait=true", "\r\n", "\0", "\u202e", "\ufeff", "ÿ", "🦀", "\ud800", "null", "true", "NaN"),
    *("acme", "globex", "tenant", "a", "b", " ", "\t", "1", "0", "-1", "1e999", "9223372036854775808"),
]  # fmt: skip
WHOLE: list[Any] = [
    *(None, True, False, [], {}, [[]], {"a": 1}, [None], ["a", 1], [{"$ne": 1}], 10**30, -(2**63), 2**63, 1e308),
    *(float("nan"), float("inf"), -0.0, "", " ", "a" * 100_000, ["a"] * 2000, {"$gt": ""}, {"match": {"any": ["a"]}}),
]  # fmt: skip


def values(seed: int, count: int) -> Iterator[Any]:
    """Yield texts that are put together, and values of other types."""
    random = Random(seed)
    for _ in range(count):
        if random.random() < 0.25:
            yield random.choice(WHOLE)
        else:
            yield "".join(random.choices(FRAGMENTS, k=random.randint(1, 4)))

"""Random states that fit, and random selections of them: what plans and applies are both asked about."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from reconciler.model.body import Body
from reconciler.model.plan import Selection

from .support import HTTP, SQL, at


def fitting(random: Random) -> dict[str, Body]:
    """A state that fits: connectors, datasources on them, templates on either."""
    found: dict[str, Body] = {}
    for name in "ab":
        found[f"connector/{name}"] = random.choice(
            [SQL, HTTP, {**HTTP, "allowed_methods": ["POST"]}, {"type": "custom"}]
        )
    for name in "de":
        connector = random.choice("ab")
        type = {"sql": "database", "http": "api", "custom": "custom"}[found[f"connector/{connector}"]["type"]]
        found[f"datasource/{name}"] = {"type": type, "connector": connector}
    for name in "st":
        behind, field = random.choice(
            [("a", "connector"), ("b", "connector"), ("d", "datasource"), ("e", "datasource")]
        )
        source = found[f"{field}/{behind}"]
        connector = found[f"connector/{source.get('connector', behind)}"]
        if connector["type"] == "http":
            method = connector.get("allowed_methods", ["GET"])[0]
            found[f"template/{name}"] = {"type": "http", field: behind, "method": method, "path": "/v1"}
    return found


def some(random: Random, names: Iterable[str]) -> Selection:
    """Half of them, all of them, or all without deletions and replacements."""
    chosen = frozenset(at(name) for name in sorted(names) if random.random() < 0.5)
    whole, careful = Selection(), Selection(deletes=False, replaces=False)
    return random.choice([Selection(targets=chosen) if chosen else whole, whole, careful])

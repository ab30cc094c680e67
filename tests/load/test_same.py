"""What means the same has the same digest, however it is written."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.load.support import DSN, loaded

RESOURCES: dict[str, dict[str, Any]] = {
    "integrations": {
        "openai": {"provider": "openai", "credential": "env://KEY", "models": ["gpt-5", "gpt-5-mini", "o3"], "labels": {"a": "1", "b": "2", "c": "3"}},
        "other": {"provider": "custom", "base_url": "https://h", "config": {"x": [3, 1, 2], "y": {"p": 1, "q": 2}}},
    },
    "connectors": {
        "db": {"type": "sql", "dialect": "postgresql", "dsn": "vault://kv/${tenant}/db#dsn", "capabilities": ["read", "query", "search"]},
        "api": {"type": "http", "base_url": "https://h", "allowed_methods": ["GET", "POST"], "headers": {"X-A": "a", "X-B": "b"}},
        "tools": {"type": "mcp", "transport": "stdio", "command": "npx", "args": ["b", "a"], "tools": {"t": {"risk": "low"}, "u": {}}},
    },
    "datasources": {"sales": {"type": "database", "connector": "db", "tables": ["public.b", "public.a"], "tags": ["z", "y"]}},
    "limits": {"month": {"target": "tenant", "per": "month", "cost_usd": 2500, "requests": 10}},
}  # fmt: skip
SETS = {"models", "capabilities", "allowed_methods", "tables", "tags"}
ENTRIES: dict[str, list[Any]] = {
    "adopt": ["limit/month", "connector/db"],
    "removed": [{"from": "limit/x", "destroy": False}, {"from": "limit/y"}],
    "moved": [{"from": "limit/o", "to": "limit/month"}, {"from": "connector/o", "to": "connector/db"}],
    "external": ["connector/q", "connector/r"],
}


def shuffled(value: Any, dice: random.Random, key: str = "") -> Any:
    """The same with its keys, and the items of its sets, in another order."""
    if isinstance(value, dict):
        return {name: shuffled(value[name], dice, name) for name in dice.sample(sorted(value), len(value))}
    if isinstance(value, list) and (key in SETS or key in ENTRIES):
        return dice.sample(value, len(value))
    return value


def files(dice: random.Random) -> dict[str, str]:
    """The resources, dealt out to documents, and these to files."""
    documents: list[dict[str, Any]] = []
    for tenant in ("acme", "globex"):
        dealt: list[dict[str, Any]] = [{"version": 1, "tenant": tenant} for _ in range(dice.randint(1, 4))]
        for plural, named in RESOURCES.items():
            for name, body in named.items():
                dice.choice(dealt).setdefault(plural, {})[name] = body
        for name, items in ENTRIES.items():
            for item in items:
                dice.choice(dealt).setdefault(name, []).append(item)
        documents += dealt
    dice.shuffle(documents)
    texts = [
        yaml.safe_dump(
            shuffled(document, dice),
            sort_keys=False,
            default_flow_style=dice.choice([True, False, None]),
            indent=dice.choice([2, 3, 8]),
            width=dice.choice([20, 80, 1000]),
        )
        for document in documents
    ]
    cut = dice.randint(0, len(texts))
    named = {"b/a.yml": texts[:cut], "a.yaml": texts[cut:]}
    return {name: "---\n".join(parts) for name, parts in named.items() if parts}


def digest(folder: Path, given: dict[str, str]) -> str:
    folder.mkdir()
    return loaded(folder, given).configuration.digest


def test_order_and_form_mean_nothing(tmp_path: Path) -> None:
    dice = random.Random(4711)
    assert len({digest(tmp_path / str(number), files(dice)) for number in range(40)}) == 1


BASE = f"version: 1\ntenant: acme\nconnectors: {{db: {{type: sql, dialect: postgresql, dsn: '{DSN}'}}}}\n"
LIMIT = "limits: {l: {target: tenant, per: day, %s}}\n"


@pytest.mark.parametrize(
    "forms",
    [
        [LIMIT % f"cost_usd: {amount}" for amount in ("2500", "2500.00", "'2500.00'", '"2500.0"', "2.5e3", "0x9c4", "!!float 2500")],
        [LIMIT % f"requests: 1, on_exceed: {word}" for word in ("block", "'block'", "!!str block", "&a block")],
        [LIMIT % "requests: 1", LIMIT % "requests: 1, on_exceed: block", LIMIT % "requests: 1, description: ''", LIMIT % "requests: 1, labels: {}"],
        [LIMIT % "requests: 1", 'limits: {"l": {"target": "tenant", "per": "day", "requests": 1}}\n', "limits:\n  l:\n    ? target\n    : tenant\n    per: >-\n      day\n    requests: +1\n"],
        [LIMIT % "requests: 1", LIMIT.replace("{l: {", "{l: &x {<<: {requests: 1}, ").replace(", %s", "")],
    ],
)  # fmt: skip
def test_forms_of_the_same_value(tmp_path: Path, forms: list[str]) -> None:
    found = {digest(tmp_path / str(number), {"a.yaml": BASE + text}) for number, text in enumerate(forms)}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LIMIT % "cost_usd: 2500", LIMIT % "cost_usd: 2500.01"),
        (LIMIT % "requests: 1", (LIMIT % "requests: 1").replace("{l:", "{k:")),
        (LIMIT % "requests: 1", LIMIT % "requests: 1" + "adopt: [limit/l]\n"),
        (LIMIT % "requests: 1", LIMIT % "requests: 1" + "removed: [{from: limit/x}]\n"),
        ("removed: [{from: limit/x}]\n", "removed: [{from: limit/x, destroy: true}]\n"),
        ("integrations: {i: {provider: custom, base_url: 'http://h', config: {x: [1, 2]}}}\n", "integrations: {i: {provider: custom, base_url: 'http://h', config: {x: [2, 1]}}}\n"),
        ("", "---\nversion: 1\ntenant: globex\nlimits: {l: {target: tenant, per: day, requests: 1}}\n"),
    ],
)  # fmt: skip
def test_what_means_something_else_differs(tmp_path: Path, one: str, other: str) -> None:
    assert digest(tmp_path / "one", {"a.yaml": BASE + one}) != digest(tmp_path / "other", {"a.yaml": BASE + other})

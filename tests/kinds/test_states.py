"""Derived states: one example for each rule, in the order in which the rules are tried."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.states import RULES, Facts, state_of
from reconciler.model.health import DEGRADED, FAILING, HEALTHY, Standing
from tests.conftest import ROOT

NOW = 1_800_000_000.0
PINNED = {"type": "mcp", "tools": {"search": {"definition": {"description": "x"}, "pin": "sha256:0"}}}
UNPINNED = {"type": "mcp", "tools": {"search": {"definition": None, "pin": None}}}


def health(state: str, reason: str = "") -> Standing:
    return Standing(state, NOW, NOW, 0, 10, reason)


REFUSED = health(FAILING, "it refuses the credential (401)")
AWAY = health(FAILING, "it can't be reached (ConnectError)")
ON: dict[str, Any] = {"enabled": True}
HTTP: dict[str, Any] = {"type": "http"}
DATA: dict[str, Any] = {"lifecycle": "active"}
EXAMPLES: dict[str, list[Facts]] = {
    "integration": [
        Facts({"enabled": False}, suspended=True),
        Facts({"enabled": False}, health=AWAY),
        Facts(ON, error="401", health=health(HEALTHY)),
        Facts(ON, health=health(DEGRADED)),
        Facts(ON, last_used=NOW, now=NOW),
        Facts(ON),
    ],
    "connector": [
        Facts(HTTP, suspended=True, served=False),
        Facts(HTTP, served=False, health=AWAY),
        Facts(HTTP, health=REFUSED),
        Facts(HTTP, health=AWAY, last_used=NOW, now=NOW),
        Facts(HTTP, health=health(DEGRADED), last_used=NOW - 3599, now=NOW),
        Facts(HTTP, last_used=NOW - 3601, now=NOW),
        Facts(HTTP),
    ],
    "mcp": [
        Facts(UNPINNED, suspended=True),
        Facts(UNPINNED, health=AWAY),
        Facts(PINNED, health=REFUSED),
        Facts(PINNED, health=AWAY),
        Facts(PINNED, health=health(DEGRADED), last_used=NOW, now=NOW),
        Facts(PINNED, health=health(HEALTHY)),
        Facts(PINNED),
    ],
    "datasource": [
        Facts({"lifecycle": "inactive"}, suspended=True),
        Facts({"lifecycle": "inactive"}, behind="offline"),
        Facts({"lifecycle": "deprecated"}, behind="disconnected"),
        Facts({"lifecycle": "deprecated"}, behind="connected"),
        Facts(DATA, behind="ready"),
        Facts(DATA, behind="configuring"),
        Facts(DATA, behind="suspended"),
    ],
}
CASES = [(name, number) for name, examples in EXAMPLES.items() for number in range(len(examples))]


def test_each_rule_has_an_example() -> None:
    assert {name: len(rules) for name, rules in RULES.items()} == {name: len(found) for name, found in EXAMPLES.items()}


@pytest.mark.parametrize(("name", "number"), CASES)
def test_the_first_rule_that_holds_decides(name: str, number: int) -> None:
    kind = "connector" if name == "mcp" else name
    assert state_of(kind, EXAMPLES[name][number]) is RULES[name][number]


def test_other_kinds_have_none() -> None:
    assert state_of("template", Facts({})) is None


def test_docs_have_every_rule_in_its_order() -> None:
    text = (ROOT / "docs" / "status.md").read_text()
    for rules in RULES.values():
        assert "".join(f"| `{rule.state}` | {rule.words} |\n" for rule in rules) in text

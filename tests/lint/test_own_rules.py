"""The rules that come with the program: each has a manifest that it complains of and one that it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.lint.condition import several
from reconciler.lint.read import own_rules
from reconciler.lint.rule import CHANGE, PLAN
from tests.lint.cases import CASES, DSN
from tests.lint.support import findings, manifest

RULES = own_rules()
ON = "version: 1\nlint: {severity: {%s: error}}\n"


@pytest.mark.parametrize("name", CASES)
def test_it_complains_where_it_should(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    project = {"reconciler.yaml": ON % name}
    found = findings(tmp_path, {**project, **manifest(case.bad)}, [name])
    assert [(rule, place.split(":")[:2]) for rule, place in found] == [(name, ["acme.yaml", str(case.line + 2)])]


@pytest.mark.parametrize("name", CASES)
def test_it_is_silent_where_it_should(tmp_path: Path, name: str) -> None:
    assert findings(tmp_path, {"reconciler.yaml": ON % name, **manifest(CASES[name].good)}, [name]) == []


def test_every_rule_over_resources_has_a_case() -> None:
    assert {name for name, rule in RULES.items() if {CHANGE, PLAN}.isdisjoint(several(rule.about))} == CASES.keys()


def test_every_rule_says_what_to_do() -> None:
    assert [name for name, rule in RULES.items() if not rule.help] == []


def test_a_rule_that_is_off_says_nothing(tmp_path: Path) -> None:
    assert "label-team" not in dict(findings(tmp_path, manifest(CASES["label-team"].bad)))


def test_an_item_of_a_list_is_told_of_at_the_list(tmp_path: Path) -> None:
    """Lists that are sets are kept sorted: the position of an item says nothing of its line."""
    networks = "[{cidr: 192.168.0.0/16, port: 1},\n      {cidr: 172.16.0.0/12, port: 1}, {cidr: 10.1.0.0/16, port: 1}]"
    text = f"connectors:\n  db:\n    {DSN.replace(', ', chr(10) + '    ')}\n    network_exceptions: {networks}\n"
    assert findings(tmp_path, manifest(text)) == [("network-exception-wide", "acme.yaml:8:5")]


def test_one_document_for_many_tenants_is_told_of_once(tmp_path: Path) -> None:
    bad = CASES["integration-any-model"].bad.replace("vault://kv/acme/ai#key", "'vault://kv/${tenant}/ai#key'")
    text = f"version: 1\ntenants: [acme, globex]\n{bad}"
    assert [rule for rule, _ in findings(tmp_path, {"a.yaml": text})] == [
        "integration-any-model",
        "integration-without-limit",
    ]

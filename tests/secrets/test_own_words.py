"""Secrets are masked where values stand; whoever sets a secret's value has no say in the rest of a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.secrets.scrub import Scrubber
from tests.conftest import Run

MANIFEST = """
version: 1
tenant: acme
integrations:
  openai: {provider: openai, credential: "env://SECRET", description: "as DESCRIBED, 2 to add"}
limits:
  month: {target: tenant, per: month, cost_usd: 100}
"""
OWN = [
    "will be created",
    "2 to add, 0 to change, 0 to destroy",
    "resource_changes",
    "create",
    "acme/integration/openai",
    "integration",
    "credential",
    "cost_usd",
]


@pytest.fixture
def manifest(folder: Path) -> Path:
    path = folder / "acme.yaml"
    path.write_text(MANIFEST)
    return path


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_no_secret_blanks_a_plan(run: Run, manifest: Path, form: str) -> None:
    plain = run("plan", "--check", "--format", form, env={"SECRET": "k9=Vq/Zr+8-tw_Xy7"}).ok()
    for own in OWN:
        blanked = run("plan", "--check", "--format", form, env={"SECRET": own}).ok()
        assert blanked.out == plain.out, own


def test_a_value_that_is_the_secret_is_masked_in_every_format(run: Run, manifest: Path) -> None:
    for form in ("text", "json", "markdown", "html"):
        told = run("plan", "--check", "--format", form, env={"SECRET": "as DESCRIBED"}).ok().out
        assert "as DESCRIBED" not in told
        assert "(secret), 2 to add" in told or "(secret), 2 to add" in told.replace("\\(", "(").replace("\\)", ")")


def test_json_keeps_its_keys_and_numbers(run: Run, manifest: Path) -> None:
    told = json.loads(run("plan", "--check", "--format", "json", env={"SECRET": "description"}).ok().out)
    bodies = {one["name"]: one["change"]["after"] for one in told["resource_changes"]}
    assert "description" in bodies["openai"]
    assert bodies["month"]["cost_usd"]


@pytest.mark.parametrize("word", ["delete", "create", "another", "secret"])
def test_json_keeps_the_words_that_are_its_own(word: str) -> None:
    known = Scrubber("(secret)")
    known.add(word)
    document = {"actions": ["delete", "create"], "op": "another-secret", "after": f"the {word} of somebody"}
    assert known.value(document) == document | {"after": "the (secret) of somebody"}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("hunter2", "it has fewer than 8 characters"),
        ("will be destroyed", "it is a text that reports hold anyway"),
        ("1 to add, 0 to change, 1 to destroy", "it is a text that reports hold anyway"),
        ("resource_changes", "it is a text that reports hold anyway"),
        ("endpoint-host-changed", "it is a text that reports hold anyway"),
    ],
)
def test_a_weak_secret_is_told_when_it_is_resolved(run: Run, manifest: Path, value: str, why: str) -> None:
    told = run("plan", "--check", env={"SECRET": value}).ok()
    assert f"Warning: env://SECRET can't be masked wherever it may be written: {why}" in told.err
    assert "[weak-secret]" in told.err
    assert "acme.yaml:5:" in told.err
    assert value not in told.err.replace("(secret)", "")
    assert "weak-secret" not in run("plan", "--check", env={"SECRET": "first-secret-value"}).ok().err

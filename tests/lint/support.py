"""Manifests and rules into findings, for the tests of lint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reconciler.errors import Problems
from reconciler.lint.allow import about_comments, judge
from reconciler.lint.condition import Condition
from reconciler.lint.evaluate import Subject, World, holds
from reconciler.lint.find import Finding, findings_in
from reconciler.lint.read import Rules, read_rules
from reconciler.load.loaded import Loaded
from tests.load.support import HEAD, loaded, open_project

CONNECTOR = "connectors:\n  db: {type: sql, dialect: postgresql, dsn: vault://kv/acme/db#dsn}\n"


def rules_of(folder: Path, *files: str) -> Rules:
    problems = Problems()
    rules = read_rules(open_project(folder), files, problems)
    problems.raise_if_any()
    return rules


def judged(folder: Path, found: Loaded, only: Iterable[str] | None = None) -> list[Finding]:
    """The findings of a configuration with their places, comments heeded, in the order of lines."""
    rules = rules_of(folder)
    if only is not None:
        rules = rules._replace(on={name: rules.on[name] for name in only})
    run = judge(findings_in(rules.on, found.configuration), found)
    findings = [*run.findings, *about_comments([run], rules, whole=True)]
    return sorted(findings, key=lambda one: (str(one.problem.place), one.rule))


def findings(folder: Path, files: Mapping[str, str], only: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """What lint says of the files, as rule and place."""
    found = judged(folder, loaded(folder, files), only)
    return [(one.rule, str(one.problem.place).removeprefix(f"{folder}/")) for one in found]


def manifest(text: str) -> dict[str, str]:
    return {"acme.yaml": HEAD + text}


def is_so(condition: Any, value: Any, explicit: Iterable[tuple[str | int, ...]] = ()) -> bool:
    """Whether a condition, as YAML gives it, holds for a body."""
    subject = Subject(value, (), None, lambda: frozenset(explicit))
    return holds(Condition.model_validate(condition), subject, World({}))

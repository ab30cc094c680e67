"""``findings_in``, ``findings_of``: rules and a configuration, or a plan's document, turned into findings; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from reconciler.codes import RuleName
from reconciler.errors import Path, Place, Problem
from reconciler.lint.condition import keys_of, several
from reconciler.lint.evaluate import Subject, World, holds, of_resource
from reconciler.lint.rule import CHANGE, PLAN, Rule
from reconciler.model.address import Address
from reconciler.model.body import dotted, has
from reconciler.model.configuration import Configuration

SEVERITIES = ("error", "warning", "info")
"""The gravest first."""


class Finding(Struct, frozen=True):
    """What is valid and not as a rule expects: ``problem.code`` is the rule's name."""

    problem: Problem
    severity: str

    @property
    def rule(self) -> str:
        return self.problem.code


def findings_in(rules: Mapping[str, Rule], configuration: Configuration) -> Iterator[Finding]:
    """Yield what a configuration's resources do not fulfil, in the order of addresses; with paths, and no places yet."""
    counting = _counting(rules, configuration.environment)
    by_kind: dict[str, list[str]] = {}
    for name, rule in counting.items():
        for kind in several(rule.about):
            by_kind.setdefault(kind, []).append(name)
    world = World(configuration.resources)
    for address, resource in configuration.resources.items():
        names = by_kind.get(address.kind, ())
        subject = of_resource(resource) if names else Subject(None)
        for name in names:
            rule = counting[name]
            for one in _failing(rule, subject, world):
                path = (*one.path, *_shown(rule))
                written = _written(path)
                there = bool(path) and path == written and has(resource.body, path)
                problem = _problem(name, rule, address, one)
                yield Finding(replace(problem, path=written, on_key=not there), rule.severity)


def findings_of(rules: Mapping[str, Rule], plan: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what a plan and its changes do not fulfil; ``plan`` is what ``plan.convert.to_document`` makes."""
    counting = _counting(rules, plan["environment"])
    world = World({})
    for change in plan["resource_changes"]:
        address = Address.parse(change["address"])
        whole = Subject(change, (), address, partial(_explicit, change))
        for name, rule in counting.items():
            if CHANGE in several(rule.about):
                for one in _failing(rule, whole, world):
                    problem = _problem(name, rule, address, one)
                    yield Finding(replace(problem, place=_place(one.value) or _place(change)), rule.severity)
    for name, rule in counting.items():
        if PLAN in several(rule.about):
            for one in _failing(rule, Subject(plan), world):
                yield Finding(_problem(name, rule, None, one), rule.severity)


def _counting(rules: Mapping[str, Rule], environment: str | None) -> dict[str, Rule]:
    """Return the rules that count in an environment."""
    return {
        name: rule
        for name, rule in rules.items()
        if not rule.environments or any(fnmatchcase(environment or "", one) for one in rule.environments)
    }


def _failing(rule: Rule, whole: Subject, world: World) -> Iterator[Subject]:
    if rule.when is not None and not holds(rule.when, whole, world):
        return
    patterns = several(rule.each) if rule.each is not None else None
    subjects: Iterable[Subject] = (
        (whole,) if patterns is None else (one for pattern in patterns for one in whole.found(keys_of(pattern)))
    )
    for subject in subjects:
        if not holds(rule.expect, subject, world):
            yield subject


def _written(path: Path) -> Path:
    """Up to the first list: those that are sets are kept in another order than they were written in."""
    return path[: next((number for number, part in enumerate(path) if isinstance(part, int)), len(path))]


def _shown(rule: Rule) -> Path:
    return keys_of(rule.at if rule.at is not None else rule.expect.path)


def _problem(name: str, rule: Rule, address: Address | None, subject: Subject) -> Problem:
    names = {"path": dotted(subject.path), "key": str(subject.path[-1]) if subject.path else ""}
    if address is not None:
        names |= {"address": str(address), **address._asdict()}
    return Problem(RuleName(name), rule.said(names), str(address) if address else None, hint=rule.help or None)


def _explicit(change: Mapping[str, Any]) -> frozenset[Path]:
    return frozenset(("change", "after", *path) for path in change["explicit"])


def _place(document: Any) -> Place | None:
    """Where a change, or a field of one, is written, as its document says it."""
    source = document.get("source") if isinstance(document, Mapping) else None
    return Place(source["file"], source["line"], source["column"]) if source else None

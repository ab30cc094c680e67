"""A policy's body turned into something that is quickly asked: does it fit this caller, this action, this target?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from fnmatch import translate
from functools import lru_cache
from re import compile as compiled
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec import Struct

from reconciler.model.access import CLASSIFICATIONS
from reconciler.model.approval import Approval, approval_of
from reconciler.model.body import Body

Labels = Mapping[str, str]


class Subject(NamedTuple):
    """Who asks: the caller's name, all of its roles (those of its token too), its labels."""

    name: str
    roles: frozenset[str]
    labels: Labels = MappingProxyType({})


class Thing(NamedTuple):
    """Something that a call names, or that stands behind it: ``kind/name`` and its labels."""

    name: str
    labels: Labels


@lru_cache(maxsize=65536)
def _matcher(patterns: tuple[str, ...]) -> Any:
    return compiled("|".join(translate(pattern) for pattern in patterns)).match


class Rule(Struct, frozen=True):
    """None stands for any; ``project`` is the policy's owner, "" for nobody."""

    name: str
    project: str
    callers: tuple[str, ...] | None
    roles: frozenset[str] | None
    caller_labels: Labels | None
    actions: frozenset[str] | None
    names: tuple[str, ...] | None
    labels: Labels | None
    classification: frozenset[str] | None
    approval: Approval | None = None
    until: date | None = None
    """The last day on which it counts, in UTC."""

    def about(self, subject: Subject) -> bool:
        """Whether it is about this caller."""
        return (
            (self.callers is None or bool(_matcher(self.callers)(subject.name)))
            and (self.roles is None or not self.roles.isdisjoint(subject.roles))
            and (self.caller_labels is None or self.caller_labels.items() <= subject.labels.items())
        )

    def fits(self, thing: Thing) -> bool:
        """Whether a thing has the name and the labels that it asks for."""
        return (self.names is None or bool(_matcher(self.names)(thing.name))) and (
            self.labels is None or self.labels.items() <= thing.labels.items()
        )

    def fits_any(self, things: Iterable[Thing]) -> bool:
        """Whether one of several things has the name and the labels that it asks for."""
        return any(self.fits(thing) for thing in things)


def rule_of(name: str, project: str | None, body: Body) -> Rule:
    """Of a valid, normalised body."""
    subjects, targets = _map(body["subjects"]), _map(body["targets"])
    classification = targets.get("classification")
    return Rule(
        name,
        project or "",
        tuple(subjects.get("callers") or ()) or None,
        frozenset(subjects.get("roles") or ()) or None,
        subjects.get("labels") or None,
        None if body["actions"] == "any" else frozenset(body["actions"]),
        tuple(targets.get("names") or ()) or None,
        targets.get("labels") or None,
        frozenset(classification) if classification else None,
        approval_of(body.get("approval")),
        date.fromisoformat(body["until"]) if body.get("until") else None,
    )


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def denied_by_class(rule: Rule, in_force: str | None) -> bool:
    """Whether a deny by classification fits; unclassified data fits every one."""
    return rule.classification is None or in_force is None or in_force in rule.classification


def allowed_by_class(rule: Rule, in_force: str | None) -> bool:
    """Whether an allow by classification fits; unclassified data fits none."""
    return rule.classification is None or in_force in rule.classification


def highest(classes: list[str | None]) -> str | None:
    """Return the classification in force: of all that is read, the most sensitive; None if anything is not classified."""
    if not classes or None in classes:
        return None
    return max(filter(None, classes), key=CLASSIFICATIONS.index)

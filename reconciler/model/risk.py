"""The risks of changes: their names, for people and guards, and the markers that declare them on fields."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from typing import Any

from msgspec import Struct

from reconciler.model.body import Body, same


class Level(Enum):
    """How grave a risk is, for people who read many of them."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


_TABLE: tuple[tuple[str, Level, str], ...] = (
    ("deletes", Level.HIGH, "a resource is deleted"),
    ("replaces", Level.HIGH, "a resource is deleted and another one takes its name"),
    ("overwrites-outside", Level.HIGH, "what somebody changed outside is overwritten"),
    ("protection-removed", Level.HIGH, "the protection against deletion is taken off"),
    ("takes-over", Level.HIGH, "another project loses a resource"),
    ("credential-changed", Level.HIGH, "another credential is used, or another way to authenticate"),
    ("endpoint-host-changed", Level.HIGH, "requests, and credentials with them, go to another host"),
    ("command-changed", Level.HIGH, "another program is started"),
    ("command-added", Level.HIGH, "a new resource starts a program"),
    ("read-only-removed", Level.HIGH, "writing becomes possible"),
    ("access-widened", Level.HIGH, "more can be reached, by more callers, or with fewer conditions"),
    ("approval-removed", Level.HIGH, "a call no longer waits for a person, or for fewer of them"),
    ("guardrail-removed", Level.HIGH, "what agents send or get is inspected less, or no longer"),
    ("hidden-text", Level.HIGH, "a model reads characters that a person doesn't see"),
    ("lets-go", Level.MEDIUM, "a resource stays, and nobody manages it any more"),
    ("endpoint-path-changed", Level.MEDIUM, "requests go to another path of the same host"),
    ("route-changed", Level.MEDIUM, "calls of a model go to another deployment, or to another model"),
    ("tool-changed", Level.MEDIUM, "a tool says something else of itself, or takes something else"),
    ("value-in-header", Level.MEDIUM, "the value of an argument goes into a header, which proxies and logs see"),
    ("pin-changed", Level.MEDIUM, "another definition of a tool is trusted, or any"),
    ("classification-lowered", Level.MEDIUM, "data counts as less sensitive"),
    ("encryption-weakened", Level.MEDIUM, "the connection is encrypted or verified less"),
    ("statement-changed", Level.MEDIUM, "a template runs something else"),
    ("limit-raised", Level.MEDIUM, "more may be used, or a limit is gone"),
    ("limit-lowered", Level.LOW, "less may be used: callers may be refused"),
    ("access-narrowed", Level.LOW, "less can be reached, by fewer callers, or with more conditions"),
)

RISKS: Mapping[str, str] = {name: sentence for name, _, sentence in _TABLE}
"""Every risk, the gravest first: what it means, in a sentence."""

_LEVELS = {name: level for name, level, _ in _TABLE}


def in_order(names: Collection[str]) -> tuple[str, ...]:
    """Return the names of risks, the gravest first."""
    return tuple(name for name in RISKS if name in names) if names else ()


def level_of(risk: str) -> Level:
    """Return the level of a risk; medium for a name that this version does not know."""
    return _LEVELS.get(risk, Level.MEDIUM)


ABSENT: Any = None
"""What a side without a value is judged as: bodies hold no nulls."""

Judge = Callable[[Any, Any], bool]
"""Whether a risk comes of a value before and a value after, either of them absent. Equal values carry no risk."""


def differs(before: Any, after: Any) -> bool:
    """Whether two values differ: the default judge of a risk."""
    return not same(before, after)


class Risk(Struct, frozen=True):
    """Stands on a field (``Annotated[..., Risk("command-changed")]``): a change of its value has this risk, if ``by`` says so.

    On a map or list it judges the value as a whole; entries that both sides have are judged by their own fields besides.
    """

    name: str
    by: Judge = differs

    def __post_init__(self) -> None:
        if self.name not in RISKS:
            raise ValueError(f"there is no risk {self.name!r}")


class NoRisk(Struct, frozen=True):
    """Stands on a field whose changes carry no risk, and says why."""

    reason: str


class JudgedTogether(Struct, frozen=True):
    """A field that is judged together with others, which may find these risks.

    One of its kind's ``judges`` does, or the comparison of access.
    """

    names: tuple[str, ...]


BY_ACCESS = JudgedTogether(("access-widened", "access-narrowed"))
"""Stands on what decides about calls: who may do more or less by a change follows from all of a tenant, not from one field."""


class BodyJudge(Struct, frozen=True):
    """Finds risks in whole bodies, creations (no body before) and deletions (none after) too."""

    names: tuple[str, ...]
    judge: Callable[[Body | None, Body | None], Iterable[str]]


class Health:
    """Stands on a field that may explain a failed health check: a change of it, or below it, clears the status `error`."""

"""What a change may do that somebody should look at twice: named, so that people, guards and policies can go by it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from typing import Any

from msgspec import Struct


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
    ("read-only-removed", Level.HIGH, "writing becomes possible"),
    ("access-widened", Level.HIGH, "more can be reached, by more callers, or with fewer conditions"),
    ("approval-removed", Level.HIGH, "a tool no longer waits for a person"),
    ("lets-go", Level.MEDIUM, "a resource stays, and nobody manages it any more"),
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

Judge = Callable[[Any, Any], Iterable[str]]
"""From the value before and the value after, either of them absent, to the names of risks."""


class RiskRule(Struct, frozen=True):
    """Judges what stands at ``path`` of a body, on both sides; a ``*`` stands for every key of a map.

    ``whole`` rules also judge creations and deletions, where one side is absent.
    """

    path: tuple[str, ...]
    judge: Judge
    whole: bool = False

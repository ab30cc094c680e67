"""What selects by a name or a word, and what may be selected: declared by the kinds, judged by the loader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reconciler.errors import Path

CALLER, TARGET = "caller", "target"
"""Selected by name: a caller's, or `kind/name` of what a policy may name. Every other noun is selected by a word."""
ROLE, ACCESS_ROLE = "role", "access-role"
CALLER_LABEL, TARGET_LABEL = "caller-label", "target-label"
ALLOWED_TARGET, ALLOWED_LABEL = "allowed-target", "allowed-label"
"""A target's name and label in an allow, which is judged by what a caller names: only what can be called counts."""
ALLOWED_CLASS, DENIED_CLASS = "allowed-class", "denied-class"
ACTION = "action"
PROJECT = "project"
UNSERVED = "unserved"
"""Selected by nobody: a tenant that has such a word has a connector that the runtime can't use."""
UNPINNED = "unpinned"
"""Selected by nobody: its word is the name of a part that was never pinned, so that nobody can call it."""
OF_CALLERS = frozenset({ROLE, ACCESS_ROLE, CALLER_LABEL})
"""Nouns whose words are said of callers."""
NAMED = frozenset({CALLER, TARGET, ALLOWED_TARGET})
"""Nouns that are selected by name."""
LABELS = frozenset({CALLER_LABEL, TARGET_LABEL, ALLOWED_LABEL})
OPTIONAL = "say `optional: true` if that is meant"
"""What to do about a selector that selects nothing."""
_ANY_EFFECT: Mapping[str, str] = {ALLOWED_TARGET: TARGET, ALLOWED_LABEL: TARGET_LABEL}
EVERY = ""
"""The word of what every selector of its noun fits."""
STRICT = NAMED | LABELS | {ROLE, ACCESS_ROLE}
"""Nouns that anybody can misspell: a literal that selects nothing is an error. The others' words are a closed list of the
schema's, or another project's to know."""


class Selector(NamedTuple):
    """A text at ``path`` of a body (the list that holds it, or the label's key) that selects by ``noun``."""

    path: Path
    noun: str
    text: str
    optional: bool = False

    @property
    def of_any_effect(self) -> Selector:
        """The same selector as one of a deny, for which it does not matter what can be called."""
        return self._replace(noun=_ANY_EFFECT.get(self.noun, self.noun))


class Offer(NamedTuple):
    """A word that selectors of a noun may use, since a resource has it."""

    noun: str
    word: str


def label(key: str, value: str) -> str:
    """Return the word for a label."""
    return f"{key}={value}"


def labels(noun: str, found: Mapping[str, str]) -> list[Offer]:
    """Offer labels to selectors of a noun."""
    return [Offer(noun, label(key, value)) for key, value in found.items()]


def is_pattern(text: str) -> bool:
    """Whether a text stands for several names."""
    return "*" in text or "?" in text

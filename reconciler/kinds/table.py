"""The table of kinds: adding one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import NamedTuple

from reconciler.model.kind import Ability, Kind
from reconciler.model.target import PARTS, Calls


class _Line(NamedTuple):
    """The plural, and the ``spec_version`` as the kind's own module says it too."""

    plural: str
    spec_version: int


_LINES: Mapping[str, _Line] = {
    "integration": _Line("integrations", 1),
    "connector": _Line("connectors", 1),
    "datasource": _Line("datasources", 1),
    "template": _Line("templates", 1),
    "route": _Line("routes", 1),
    "limit": _Line("limits", 1),
    "caller": _Line("callers", 1),
    "policy": _Line("policies", 1),
    "guardrail": _Line("guardrails", 1),
    "plane": _Line("planes", 1),
}
"""By the name of the kind, which is that of its module."""

SPEC_VERSIONS: Mapping[str, int] = {name: line.spec_version for name, line in _LINES.items()}


class _Kinds(dict[str, Kind]):
    """Imports a kind when it is asked for: building its specs takes longer than many a command needs for its work.

    A dict, since each resource is looked up several times: one that is known is found without a call of Python's.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__()
        self._names = names

    def __missing__(self, key: str) -> Kind:
        found: Kind = import_module(f"reconciler.kinds.{self._names[key]}").KIND
        self[key] = found
        return found

    get = Mapping.get  # type: ignore[assignment]
    keys = Mapping.keys  # type: ignore[assignment]
    items = Mapping.items  # type: ignore[assignment]
    values = Mapping.values  # type: ignore[assignment]

    def __contains__(self, key: object) -> bool:
        return key in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


KINDS: Mapping[str, Kind] = _Kinds({name: name for name in _LINES})
"""Every kind by its singular name, as addresses write it."""

BY_PLURAL: Mapping[str, Kind] = _Kinds({line.plural: name for name, line in _LINES.items()})
"""Every kind by its plural, as YAML writes it."""

RESTRICTING = ("policy", "guardrail")
"""Kinds of which what was applied counts until an apply takes it back, whatever somebody makes of the live row."""

TOOL = "tool"
"""The word of what agents see by a name of its own: it is no kind, and may be frozen."""


def can(kind: str, ability: Ability) -> bool:
    """Whether there is such a kind and its resources have an ability; imports no other kind."""
    return kind in KINDS and KINDS[kind].can(ability)


def kinds_that(ability: Ability) -> tuple[str, ...]:
    """Return every kind with an ability, in the order of the table."""
    return tuple(name for name, kind in KINDS.items() if kind.can(ability))


def words_that(ability: Ability) -> tuple[str, ...]:
    """Return every kind with an ability, and then the words of what is a part of such a kind's resources."""
    kinds = kinds_that(ability)
    return (*kinds, *(word for word, kind in PARTS.items() if kind in kinds))


def is_freezable(word: str) -> bool:
    """Whether TENANT/WORD/NAME may be frozen."""
    return word == TOOL or can(word, Ability.FREEZABLE)


def freezable() -> tuple[str, ...]:
    """Return every WORD of TENANT/WORD/NAME that may be frozen."""
    return (*kinds_that(Ability.FREEZABLE), TOOL)


@cache
def calls_of() -> Mapping[str, Calls]:
    """Return how targets are called, by the word that begins their names."""
    return {kind.calls.word: kind.calls for kind in KINDS.values() if kind.calls is not None}

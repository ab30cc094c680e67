"""The parts of a database's schema (tables, columns, indexes, triggers ...), compared with what a revision makes.

Files of facts, one a database (``revisions_sqlite.txt``), say which part each revision adds, changes and removes. They are
written by ``python -m tests.store.facts`` from what the migrations make, and held to that by a test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import NamedTuple, TypeAlias

TABLE = "table"
REMAKEABLE = frozenset({"index", "trigger", "function"})
"""Kinds of parts that hold no data; their definition is the statement that makes them."""
DISABLED = " (disabled)"
"""Stands behind the definition of a trigger that is switched off."""
_SHARED = frozenset({"function", "sequence"})
"""Kinds that belong to no table: others of this kind in the schema may be somebody else's."""
_ABSENT = "-"
_SEPARATOR = " | "


class Part(NamedTuple):
    """One part of a schema; ``table`` is "" for what belongs to none."""

    kind: str
    table: str
    name: str

    def __str__(self) -> str:
        match self.kind:
            case "table":
                return f"the table {self.table}"
            case "column":
                return f"the column {self.table}.{self.name}"
            case "constraint":
                return f"the constraint {self.name} of {self.table}"
            case _:
                return f"the {self.kind} {self.name}" + (f" on {self.table}" if self.table else "")


Structure: TypeAlias = Mapping[Part, str]
"""Each part's definition, normalised: the same text for the same meaning, whatever the server's version."""


class Difference(NamedTuple):
    """One part that is not as its revision makes it: missing (``found`` is None), not ours (``wanted``), or changed."""

    part: Part
    wanted: str | None
    found: str | None

    @property
    def is_surplus(self) -> bool:
        return self.wanted is None

    def sentence(self) -> str:
        if self.found is None:
            return f"{self.part} is missing"
        if self.wanted is None:
            return f"{self.part} is not part of this revision"
        return f"{self.part} is `{self.found}`, expected `{self.wanted}`"

    def next_step(self) -> str:
        """Return what an operator should do about it."""
        kind, statement = self.part.kind, self.wanted
        if self.wanted is None:
            return "drop it, unless you know what it is for"
        if self.found is None and kind in REMAKEABLE:
            return "run `reconciler db upgrade`: it makes it again"
        if kind == "trigger" and self.found == f"{statement}{DISABLED}":
            return f"ALTER TABLE {self.part.table} ENABLE TRIGGER {self.part.name}"
        if kind == "function":
            return f"replace it: {statement}"
        if kind in REMAKEABLE:
            return "drop it, then run `reconciler db upgrade`: it makes it again"
        if self.found is None:
            return "restore the database from a backup"
        return "change it back, or restore the database from a backup"


def compare(wanted: Structure, found: Structure, tables: frozenset[str]) -> tuple[Difference, ...]:
    """Return how ``found`` differs from ``wanted``, in order of tables; ``tables`` are ours at any revision.

    What a missing table holds is not listed. Somebody else's tables, functions and sequences are none of our business, and
    plain indexes may be added by whoever runs the database.
    """
    missing = {part.table for part in wanted if part.kind == TABLE and part not in found}
    differences = [
        Difference(part, definition, found.get(part))
        for part, definition in wanted.items()
        if found.get(part) != definition and (part.kind == TABLE or part.table not in missing)
    ]
    known = {part.table for part in wanted if part.kind == TABLE}
    differences += [
        Difference(part, None, definition)
        for part, definition in found.items()
        if part not in wanted
        and part.kind not in _SHARED
        and (part.table in known or (part.kind == TABLE and part.table in tables))
        and not (part.kind == "index" and not definition.startswith("CREATE UNIQUE"))
    ]
    return tuple(sorted(differences, key=lambda one: (one.part.table, one.part.kind != TABLE, one.part)))


class Facts(NamedTuple):
    """What each revision does to the structure of one kind of database."""

    steps: tuple[tuple[str, Part, str], ...]

    @property
    def tables(self) -> frozenset[str]:
        return frozenset(part.table for _, part, _ in self.steps if part.table)

    def at(self, revision: str) -> Structure:
        """Return the structure that all revisions up to ``revision`` make."""
        found: dict[Part, str] = {}
        for number, part, definition in self.steps:
            if number > revision:
                continue
            if definition == _ABSENT:
                found.pop(part, None)
            else:
                found[part] = definition
        return found


def read_facts(package: str, dialect: str) -> Facts:
    """Read ``revisions_DIALECT.txt`` of a package."""
    text = (files(package) / f"revisions_{dialect}.txt").read_text(encoding="utf-8")
    return Facts(tuple(_parsed(line) for line in text.splitlines() if line and not line.startswith("#")))


def _parsed(line: str) -> tuple[str, Part, str]:
    revision, kind, table, name, definition = line.split(_SEPARATOR, 4)
    return revision, Part(kind, table, name), definition


def written(structures: Mapping[str, Structure]) -> Iterator[str]:
    """Yield the lines of a file of facts: what each structure, oldest first, changes in the one before."""
    before: Structure = {}
    for revision, structure in structures.items():
        changed = {part: text for part, text in structure.items() if before.get(part) != text}
        changed |= {part: _ABSENT for part in before if part not in structure}
        for part in sorted(changed):
            yield _SEPARATOR.join((revision, *part, changed[part]))
        before = structure

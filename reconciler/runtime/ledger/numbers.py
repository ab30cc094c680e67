"""Numbers that stand in evidence for subjects, paths and policies, and the rows of dictionaries that say what they are.

A number is 63 bits of a keyed BLAKE2b of what it stands for: every server finds the same one without asking, nobody without
the store's key can look for two that collide, and a batch needs no answer of the database before it is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TypeAlias

from reconciler import strict_json
from reconciler.runtime.ledger.entries import Path, Policy, Subject

Entry: TypeAlias = Subject | Path | Policy
DictionaryRow: TypeAlias = tuple[int | str, ...]
NONE = 0
"""Stands for an unknown target, and for no policy."""
MOST_KEPT = 100_000
DICTIONARIES: dict[type[Entry], tuple[str, tuple[str, ...]]] = {
    Subject: ("subjects", ("number", "tenant", "caller", "caller_uid", "key", "token_roles")),
    Path: ("paths", ("number", "tenant", "target", "action", "connector", "project", "chain")),
    Policy: ("policies", ("number", "tenant", "policy")),
}
"""The table of each, and its columns."""


def key_of_numbers(identity: str) -> bytes:
    """Derive the key from the identity of a store, by which values are hashed too."""
    return blake2b(b"numbers of evidence", key=identity.encode()[:64], digest_size=32).digest()


def number_of(entry: Entry, key: bytes) -> int:
    """Return the number of a dictionary's entry: a keyed hash, so nobody can choose one."""
    return _number([type(entry).__name__, *entry], key)


def _number(parts: Sequence[object], key: bytes) -> int:
    text = strict_json.write([*parts])
    return int.from_bytes(blake2b(text, digest_size=8, key=key).digest()) >> 1


def number_of_row(kind: type[Entry], row: Sequence[str], key: bytes) -> int:
    """Return the number that a row of a dictionary has to have, without its first column."""
    parts = [
        json.loads(one) if column in _LISTS else one for column, one in zip(DICTIONARIES[kind][1][1:], row, strict=True)
    ]
    return _number([kind.__name__, *parts], key)


_LISTS = frozenset({"token_roles", "chain"})


class Numbers:
    """The numbers of one connection to one store; what was written is remembered once its transaction was committed."""

    def __init__(self, key: bytes = b"") -> None:
        self._key = key
        self._numbers: dict[Entry, int] = {}
        self._written: set[Entry] = set()

    def of(self, entry: Entry) -> int:
        found = self._numbers.get(entry)
        if found is None:
            if len(self._numbers) >= MOST_KEPT:
                self.forget()
            found = self._numbers[entry] = number_of(entry, self._key)
        return found

    def fresh(self, entries: Iterable[Entry]) -> set[Entry]:
        """Return those that are not known to be in the store."""
        return {entry for entry in entries if entry not in self._written}

    def row(self, entry: Entry) -> DictionaryRow:
        return (self.of(entry), *(strict_json.write(one).decode() if isinstance(one, tuple) else one for one in entry))

    def remember(self, entries: Iterable[Entry]) -> None:
        """Only what was committed: else evidence could name what no dictionary has."""
        self._written.update(entries)

    def forget(self) -> None:
        self._numbers.clear()
        self._written.clear()

"""Compares a database's schema with what its revision makes, and makes what can be made again without losing anything.

Some commits before the first release changed revisions that databases had been made with already. Such a database claims a
revision and lacks a part of it. ``_EDITED`` names these parts with what the revision should have done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from reconciler.store.describe import describe
from reconciler.store.migrations import TABLE, v0007_witness
from reconciler.store.structure import REMAKEABLE, Difference, Part, compare, read_facts


class _Edited(NamedTuple):
    """What databases made by the first form of a revision lack, and how it is added."""

    missing: frozenset[Part]
    add: Callable[[Connection], None]


def _run(statement: str, connection: Connection) -> None:
    connection.exec_driver_sql(statement)


_MAC = Part("column", "applied", "mac")
_EDITED = (
    # 0003 as it was first: bodies in history without their version, and without where their fields were written
    _Edited(
        frozenset({Part("column", "changes", "spec_version")}),
        partial(_run, "ALTER TABLE changes ADD COLUMN spec_version INTEGER NOT NULL DEFAULT 1"),
    ),
    _Edited(
        frozenset({Part("column", "changes", "sources")}), partial(_run, "ALTER TABLE changes ADD COLUMN sources TEXT")
    ),
    # 0008 as it was first: it followed 0006, so 0007 was never run
    _Edited(
        frozenset({Part("column", "applied", "digest_of"), _MAC, Part("table", "mask_key", "")}), v0007_witness.upgrade
    ),
    # 0007 as it was first: without the seal
    _Edited(frozenset({_MAC}), partial(_run, "ALTER TABLE applied ADD COLUMN mac TEXT")),
)


def differences(connection: Connection, revision: str) -> tuple[Difference, ...]:
    """Return how the schema differs from what ``revision`` makes."""
    facts = read_facts("reconciler.store", connection.dialect.name)
    return compare(facts.at(revision), describe(connection, TABLE), facts.tables)


def repair(connection: Connection, found: Sequence[Difference]) -> tuple[str, ...]:
    """Make missing parts again; return a name for each. What only a backup can bring back is left as it is."""
    missing = {one.part for one in found if one.found is None}
    repaired = []
    for edited in _EDITED:
        if edited.missing <= missing:
            edited.add(connection)
            missing -= edited.missing
            repaired += [*map(str, sorted(edited.missing))]
    # functions before the triggers that call them
    for one in sorted(found, key=lambda difference: difference.part.kind):
        if one.part in missing and one.part.kind in REMAKEABLE and one.wanted is not None:
            connection.exec_driver_sql(one.wanted)
            repaired.append(str(one.part))
    return tuple(repaired)

"""SQLite: columns and keys from its PRAGMAs, triggers, indexes and CHECKs from the statements that made them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from reconciler.store.structure import TABLE, Part, Structure

_CHECK = re.compile(r"\bCHECK\s*\(", re.IGNORECASE)
Ask = Callable[[str], Sequence[Any]]
"""Runs a statement and returns its rows."""


def describe(ask: Ask) -> Structure:
    """Read the structure of a SQLite database."""
    found: dict[Part, str] = {}
    records = ask(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    )
    for kind, name, table, sql in records:
        if kind in {"table", "view"}:
            found.update(_relation(ask, kind, name, sql))
        else:
            found[Part(kind, table, name)] = " ".join(sql.split())
    return found


def _relation(ask: Ask, kind: str, name: str, sql: str) -> Iterator[tuple[Part, str]]:
    yield Part(TABLE, name, ""), "TABLE" if kind == "table" else kind.upper()
    if kind != "table":
        return
    quoted = name.replace('"', '""')
    keys: dict[int, str] = {}
    for _, column, of, not_null, default, key, _hidden in ask(f'PRAGMA table_xinfo("{quoted}")'):
        words = [of, "NOT NULL" if not_null else "", f"DEFAULT {default}" if default is not None else ""]
        yield Part("column", name, column), " ".join(word for word in words if word)
        if key:
            keys[key] = column
    if keys:
        counted = " AUTOINCREMENT" if "AUTOINCREMENT" in sql.upper() else ""
        yield _constraint(name, f"PRIMARY KEY ({', '.join(keys[at] for at in sorted(keys))}){counted}")
    for _, index, unique, origin, _partial in ask(f'PRAGMA index_list("{quoted}")'):
        if origin == "u" and unique:
            columns = [column for _, _, column in ask(f'PRAGMA index_info("{index}")')]
            yield _constraint(name, f"UNIQUE ({', '.join(columns)})")
    yield from (_constraint(name, one) for one in _foreign_keys(ask(f'PRAGMA foreign_key_list("{quoted}")')))
    yield from (_constraint(name, one) for one in _checks(sql))


def _constraint(table: str, definition: str) -> tuple[Part, str]:
    """Constraints go by what they say: their names say nothing."""
    return Part("constraint", table, definition), definition


def _foreign_keys(records: Sequence[Any]) -> Iterator[str]:
    for number in sorted({record[0] for record in records}):
        own = sorted((record for record in records if record[0] == number), key=lambda record: record[1])
        _, _, target, _, _, on_update, on_delete, _ = own[0]
        columns, others = (", ".join(record[at] for record in own) for at in (3, 4))
        yield (
            f"FOREIGN KEY ({columns}) REFERENCES {target} ({others})"
            + (f" ON UPDATE {on_update}" if on_update != "NO ACTION" else "")
            + (f" ON DELETE {on_delete}" if on_delete != "NO ACTION" else "")
        )


def _checks(sql: str) -> Iterator[str]:
    """Yield each ``CHECK (...)`` of a CREATE TABLE, to its closing bracket."""
    for found in _CHECK.finditer(sql):
        opened = end = found.end() - 1
        depth = 1
        while depth:
            end += 1
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
        yield "CHECK " + " ".join(sql[opened : end + 1].split())

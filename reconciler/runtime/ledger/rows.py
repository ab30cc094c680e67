"""A batch turned into rows, once, whichever statement writes them; and PostgreSQL's INSERTs of such rows.

A row has no moment: that is the database's, and stands in the statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from reconciler.runtime.ledger.batch import Batch
from reconciler.runtime.ledger.entries import Denial, Intent, Outcome, Policy
from reconciler.runtime.ledger.numbers import DICTIONARIES, NONE, DictionaryRow, Entry, Numbers

INTENTS = (
    "id text, seconds float8, tenant text, subject bigint, path bigint, policy bigint, run text, value_hash bytea, "
    "generation bigint, drifted bool, shadow text, trace bytea"
)
OUTCOMES = "id text, outcome text, result_rows bigint, size bigint, duration_ms bigint, code text, status int, output_hash bytea"
DENIALS = (
    "id text, tenant text, subject bigint, path bigint, policy bigint, target text, action text, reason text, detail text, "
    "run text, generation bigint"
)
COUNTS = "id text, n bigint"


class Rows(NamedTuple):
    """``fresh`` are the entries of dictionaries that may not be in the store yet."""

    intents: list[tuple[Any, ...]]
    outcomes: list[tuple[Any, ...]]
    denials: list[tuple[Any, ...]]
    counts: list[tuple[Any, ...]]
    fresh: frozenset[Entry]
    numbers: Numbers

    def dictionaries(self) -> Iterator[tuple[str, tuple[str, ...], list[DictionaryRow]]]:
        """Yield table, columns and rows, in the one order in which all servers write them."""
        for kind, (table, columns) in DICTIONARIES.items():
            rows = sorted(self.numbers.row(entry) for entry in self.fresh if type(entry) is kind)
            if rows:
                yield table, columns, rows

    def admitted(self, intents: Iterable[Intent]) -> list[tuple[Any, ...]]:
        """Return the rows of these calls alone."""
        ids = {one.id for one in intents}
        return [row for row in self.intents if row[0] in ids]


def rows_of(batch: Batch, numbers: Numbers) -> Rows:
    """Turn a batch into rows; entries of dictionaries become numbers."""
    written: list[Intent | Denial] = [*batch.intents, *batch.denials]
    entries: list[Entry | None] = [part for one in written for part in (one.subject, one.path, policy_of(one))]
    return Rows(
        [_intent(one, numbers) for one in batch.intents],
        [_outcome(one) for one in batch.outcomes],
        [_denial(one, numbers) for one in batch.denials],
        [*batch.counts],
        frozenset(numbers.fresh(entry for entry in entries if entry is not None)),
        numbers,
    )


def policy_of(one: Intent | Denial) -> Policy | None:
    """Return the policy that decided, as an entry of the dictionary; None without one."""
    return Policy(one.tenant, one.policy) if one.policy else None


def _number(entry: Entry | None, numbers: Numbers) -> int:
    return NONE if entry is None else numbers.of(entry)


def _intent(one: Intent, numbers: Numbers) -> tuple[Any, ...]:
    return (
        *(one.id, one.seconds, one.tenant, numbers.of(one.subject), numbers.of(one.path)),
        *(_number(policy_of(one), numbers), one.run, _bytes(one.values), one.generation),
        *(one.drifted, one.shadow, _bytes(one.trace)),
    )


def _outcome(one: Outcome) -> tuple[Any, ...]:
    return one.id, one.outcome, one.rows, one.size, one.duration_ms, one.code, one.status, _bytes(one.output_hash)


def _bytes(text: str) -> bytes:
    """Return the bytes of hexadecimal digits; other text as it is."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text.encode()


def _denial(one: Denial, numbers: Numbers) -> tuple[Any, ...]:
    """Return the row of a denial; only one of an unknown target has the target and the action, which a path implies."""
    path = one.path
    named = ("", "") if path is not None else (one.target, one.action)
    return (
        *(one.id, one.tenant, numbers.of(one.subject), _number(path, numbers), _number(policy_of(one), numbers)),
        *(*named, one.reason, one.detail, one.run, one.generation),
    )


def columns_of(rows: Sequence[Sequence[Any]], table: str) -> list[list[Any]]:
    """Return the arrays of the columns ``table`` declares."""
    return [[row[at] for row in rows] for at in range(table.count(",") + 1)]


def given(columns: str, first: int) -> str:
    """PostgreSQL: a table ``k`` of the arrays ``$first`` and following, by its columns and their types."""
    pairs = [column.split() for column in columns.split(", ")]
    arrays = ", ".join(f"${number}::{kind}[]" for number, (_, kind) in enumerate(pairs, first))
    return f"unnest({arrays}) AS k ({', '.join(name for name, _ in pairs)})"


def insert_intents(now: str, source: str) -> str:
    """PostgreSQL: return the statement that adds intents from `source`, the table `k`."""
    return (
        "INSERT INTO intents (id, at, ends, tenant, subject, path, policy, run, value_hash, generation, drifted, shadow, "
        f"trace) SELECT k.id::uuid, {now}, {now} + k.seconds, k.tenant, k.subject, k.path, k.policy, k.run, "
        f"k.value_hash, k.generation, k.drifted, k.shadow, k.trace FROM {source}"
    )


def insert_outcomes(now: str, source: str) -> str:
    """PostgreSQL: return the statement that adds outcomes from `source`, the table `k`."""
    return (
        "INSERT INTO outcomes (id, at, outcome, result_rows, size, duration_ms, code, status, output_hash) "
        f"SELECT k.id::uuid, {now}, k.outcome, k.result_rows, k.size, k.duration_ms, k.code, k.status, "
        f"k.output_hash FROM {source} ON CONFLICT DO NOTHING"
    )


def insert_denials(now: str, source: str) -> str:
    """PostgreSQL: return the statement that adds denials from `source`, the table `k`."""
    return (
        "INSERT INTO denials (id, at, tenant, subject, path, policy, target, action, reason, detail, run, generation) "
        f"SELECT k.id::uuid, {now}, k.tenant, k.subject, k.path, k.policy, k.target, k.action, k.reason, k.detail, k.run, "
        f"k.generation FROM {source}"
    )


def insert_counts(now: str, source: str) -> str:
    """PostgreSQL: return the statement that adds counts of denials from `source`, the table `k`."""
    return f"INSERT INTO denial_counts (id, at, n) SELECT k.id::uuid, {now}, k.n FROM {source} ON CONFLICT DO NOTHING"


def insert_entries(table: str, columns: Sequence[str]) -> str:
    """PostgreSQL: a statement of arrays, in the order of their numbers: two servers wait for each other, and can't deadlock."""
    declared = ", ".join(f"{name} {'bigint' if name == 'number' else 'text'}" for name in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT k.* FROM {given(declared, 1)} ON CONFLICT DO NOTHING"

"""Rows of a database turned into JSON within caps. It imports little: processes that do nothing else start by it."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from reconciler import strict_json
from reconciler.model.integers import SAFE_INTEGER


class Caps(NamedTuple):
    """The tighter of the template's and the connector's bounds."""

    rows: int
    size: int


class Rows(NamedTuple):
    """A result as JSON: its rows, how many, how many bytes; ``cut``: there were more than the cap on rows."""

    content: list[dict[str, Any]]
    rows: int
    size: int
    cut: bool


class TooLarge(Exception):
    """A result above its cap on bytes."""


def rows_of(columns: Sequence[str], records: Iterable[Sequence[Any]], caps: Caps) -> Rows:
    """Return rows as objects by the names of their columns. Raises TooLarge for a cell, or a whole, above the cap.

    A number that JSON's readers would round is text, and then so are all numbers of its column.
    """
    names = _distinct(columns)
    rows: list[dict[str, Any]] = []
    taken: list[Sequence[Any]] = []
    exact: set[str] = set()
    size, cut = 2, False
    for record in records:
        if len(rows) == caps.rows:
            cut = True
            break
        row: dict[str, Any] = {}
        for name, value in zip(names, record, strict=True):
            row[name] = found = plain(value)
            if found is not value and _was_number(value, found):
                exact.add(name)
        size += strict_json.size_of(row) + 1
        if size > caps.size:
            raise TooLarge
        rows.append(row)
        taken.append(record)
    if exact:
        for row, record in zip(rows, taken, strict=True):
            row.update((name, _texts(value)) for name, value in zip(names, record, strict=True) if name in exact)
        size = 2 + sum(strict_json.size_of(row) + 1 for row in rows)
        if size > caps.size:
            raise TooLarge
    return Rows(rows, len(rows), size, cut)


def _was_number(value: Any, found: Any) -> bool:
    """Whether a number, or one inside of a value, became text."""
    if isinstance(value, int | Decimal):
        return isinstance(found, str)
    if isinstance(value, list | tuple):
        return any(map(_was_number, value, found))
    if isinstance(value, Mapping):
        return any(map(_was_number, value.values(), found.values()))
    return False


def _texts(value: Any) -> Any:
    """Return a value as JSON with every number as text."""
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        return plain(value)
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, list | tuple):
        return [_texts(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _texts(item) for key, item in value.items()}
    return plain(value)


def _distinct(columns: Sequence[str]) -> list[str]:
    """Return names for columns, of which no two are the same; each number is tried once."""
    taken: dict[str, None] = {}
    numbers: dict[str, int] = {}
    for column in columns:
        name, number = column, numbers.get(column, 2)
        while name in taken:
            name, number = f"{column}_{number}", number + 1
        taken[name] = None
        numbers[column] = number
    return [*taken]


def plain(value: Any) -> Any:
    """Return a value of a database as JSON: exact numbers that JSON's readers would round are text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= SAFE_INTEGER else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        exact = value.is_finite() and value == value.to_integral_value() and abs(value) <= SAFE_INTEGER
        return int(value) if exact else str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(bytes(value)).decode()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return str(value)

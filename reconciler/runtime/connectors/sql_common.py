"""What every SQL gateway does alike: a statement checked once more, values typed, caps, rows as JSON."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from reconciler import strict_json
from reconciler.kinds.template.placeholders import placeholders
from reconciler.kinds.template.sql import extent, unlisted
from reconciler.kinds.template.statement import inspect
from reconciler.runtime.call import Answer, Call, Failed

SAFE_INTEGER = 2**53 - 1


class Caps(NamedTuple):
    """The tighter of the template's and the connector's bounds."""

    rows: int
    size: int


def caps_of(call: Call) -> Caps:
    def least(name: str) -> int:
        found: list[int | None] = [one.body.get(name) for one in (call.operation, call.connector)]
        return min(bound for bound in found if bound is not None)

    return Caps(least("max_rows"), least("max_result_bytes"))


def writes(call: Call) -> bool:
    """Whether it may change anything: both have to say so."""
    return call.operation.body["read_only"] is not True and call.connector.body["read_only"] is not True


def checked(call: Call) -> str:
    """The statement, looked at once more: live state may have been changed by hand since it was validated."""
    sql: str = call.operation.body["sql"]
    found = inspect(sql, call.connector.body["dialect"])
    if found.refused or (found.writes and not writes(call)):
        raise Failed("statement-refused", "the statement is none that may be run here", "blocked")
    listed = extent(call.datasource.body) if call.datasource else ()
    if listed and _reads_more(sql, tuple(listed), call.connector.body["dialect"], call.connector.body.get("database")):
        raise Failed("statement-refused", "the statement reads tables that its datasource does not list", "blocked")
    if call.operation.body["read_only"] is not True and call.connector.body["read_only"] is True:
        raise Failed("read-only", "the connector is read-only", "blocked")
    return sql


@lru_cache(maxsize=2048)
def _reads_more(sql: str, listed: tuple[str, ...], dialect: str, database: str | None) -> bool:
    return any(unlisted(inspect(sql, dialect).tables, listed, {"dialect": dialect, "database": database}))


class Bound(NamedTuple):
    """A statement whose placeholders are the driver's, and their values in that order."""

    sql: str
    names: tuple[str, ...]


def bound(sql: str, dialect: str, mark: str) -> Bound:
    """``:name`` in the places where it is a parameter becomes ``mark`` with its number (``?1``, ``$1``)."""
    lexed = placeholders(sql, dialect)
    if lexed.flaws:
        raise Failed("statement-refused", "the statement can't be read for certain", "blocked")
    names: dict[str, int] = {}
    parts, at = [], 0
    for name, offset in lexed.placeholders:
        number = names.setdefault(name, len(names) + 1)
        parts += [sql[at:offset], f"{mark}{number}"]
        at = offset + len(name) + 1
    return Bound("".join([*parts, sql[at:]]), tuple(names))


def told(columns: Sequence[str], records: Iterable[Sequence[Any]], caps: Caps) -> Answer:
    """Rows as objects by the names of their columns. Raises Failed where a cell or the whole is too large."""
    names = _distinct(columns)
    rows: list[dict[str, Any]] = []
    size = 2
    for record in records:
        if len(rows) == caps.rows:
            return Answer(rows, len(rows), size, cut=True)
        row = {name: plain(value) for name, value in zip(names, record, strict=True)}
        size += strict_json.size_of(row) + 1
        if size > caps.size:
            raise too_large()
        rows.append(row)
    return Answer(rows, len(rows), size)


def too_large() -> Failed:
    return Failed("too-large", "the result is larger than allowed")


def _distinct(columns: Sequence[str]) -> list[str]:
    names: list[str] = []
    for column in columns:
        name, number = column, 2
        while name in names:
            name, number = f"{column}_{number}", number + 1
        names.append(name)
    return names


def plain(value: Any) -> Any:
    """A value of a database as JSON: exact numbers that JSON's readers would round are text."""
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


def typed(call: Call, name: str) -> Any:
    """A value as Python's drivers take it: dates, times and uuids as such, not as text."""
    parameter, value = call.operation.body["parameters"][name], call.values[name]
    if value is None:
        return None
    if parameter["type"] == "array":
        return [_typed(parameter.get("items") or "string", item) for item in value]
    return _typed(parameter["type"], value)


def _typed(kind: str, value: Any) -> Any:
    if kind == "date":
        return date.fromisoformat(value)
    if kind == "timestamp":
        return datetime.fromisoformat(value)
    if kind == "uuid":
        return UUID(value)
    return value

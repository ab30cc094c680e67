"""What every SQL gateway does alike: a statement checked once more, values typed, caps, rows as JSON."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from msgspec import Struct
from pydantic_core import PydanticCustomError

from reconciler.access.target import Target
from reconciler.kinds.template.legible import legible
from reconciler.kinds.template.names import Part
from reconciler.kinds.template.placeholders import Lexed, placeholders, with_texts
from reconciler.kinds.template.sql import extent, unlisted
from reconciler.kinds.template.sql_values import least
from reconciler.kinds.template.statement import inspect
from reconciler.runtime.call import Answer, Call, Failed
from reconciler.runtime.connectors.sql_rows import Caps, TooLarge, rows_of
from reconciler.runtime.logs import Trouble
from reconciler.runtime.threads import in_thread

_MOST_READ = 512
_MOST_CHARACTERS = 65536
_LOG = logging.getLogger("reconciler.runtime.sql")


def caps_of(call: Call) -> Caps:
    """Return a call's caps, worked out once for its target."""
    return call.target.once(_caps)


def _caps(target: Target) -> Caps:
    body, connector = target.operation.body, target.connector.body
    return Caps(least(body, connector, "max_rows"), least(body, connector, "max_result_bytes"))


def writes(call: Call) -> bool:
    """Whether it may change anything: both have to say so."""
    return _key(call)[2]


class Scope(NamedTuple):
    """What a call may reach.

    The tables that its datasource lists (none: what the database grants), and the functions that it adds to the reviewed ones.
    """

    dialect: str
    database: str | None
    tables: tuple[str, ...]
    functions: tuple[str, ...]

    def unlisted(self, tables: tuple[tuple[Part, ...], ...]) -> tuple[str, ...]:
        """Return those of the tables that the datasource does not list."""
        return unlisted(tables, self.tables, self._asdict()) if self.tables else ()


def scope_of(call: Call) -> Scope:
    """Return the tables that a call may reach, worked out once for its target."""
    return call.target.once(_scope)


def _scope(target: Target) -> Scope:
    connector, source = target.connector.body, target.data[0].body if target.data else None
    listed = extent(source) if source else ()
    functions = source.get("functions") or () if source else ()
    return Scope(connector["dialect"], connector.get("database"), tuple(listed), tuple(functions))


def refuse(*, functions: Sequence[str] = (), tables: Sequence[str] = ()) -> None:
    """Raise Failed for what a statement reaches past its datasource: a fault of its author, with its remedy."""
    parts = []
    if tables:
        parts.append(f"tables that `tables` of its datasource does not list: {_some(tables)}")
    if functions:
        parts.append(f"functions that are neither reviewed nor in `functions` of its datasource: {_some(functions)}")
    if parts:
        raise Failed("statement-refused", f"the statement uses {'; '.join(parts)}", "blocked")


def _some(names: Sequence[str]) -> str:
    found = sorted({*names})
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")


Aside: TypeAlias = Callable[..., Awaitable[Any]]
"""Runs a function with its arguments in a thread, and returns or raises what it does."""
_Key: TypeAlias = tuple[str, Scope, bool]


def _key(call: Call) -> _Key:
    return call.target.once(_key_of)


def _key_of(target: Target) -> _Key:
    may_write = all(one.body["read_only"] is not True for one in (target.operation, target.connector))
    return target.operation.body["sql"], target.once(_scope), may_write


class Bound(NamedTuple):
    """A statement whose placeholders are the driver's, and their values in that order."""

    sql: str
    names: tuple[str, ...]


class Reading(Struct, frozen=True, dict=True):
    """A statement as it was read once: its placeholders, and why it may not run (empty: it may)."""

    sql: str
    lexed: Lexed
    refusal: str = ""

    def bound(self, mark: str) -> Bound:
        """Return the statement with ``mark`` and a number (``?1``, ``$1``) in the places where ``:name`` is a parameter."""
        found = self._bound.get(mark)
        if found is None:
            found = self._bound[mark] = _bound(self, mark)
        return found

    @cached_property
    def _bound(self) -> dict[str, Bound]:
        return {}


def _bound(reading: Reading, mark: str) -> Bound:
    numbers: dict[str, int] = {}
    found = reading.lexed.placeholders
    sql = with_texts(reading.sql, found, lambda name: f"{mark}{numbers.setdefault(name, len(numbers) + 1)}")
    return Bound(sql, tuple(numbers))


class Reader:
    """Reads each statement once for each scope, outside of the event loop: 64 kB take a second, and all calls wait there."""

    def __init__(self, aside: Aside = in_thread) -> None:
        self._aside = aside
        self._known: dict[_Key, Reading] = {}
        self._trouble = Trouble(_LOG, "%s")

    async def read(self, call: Call) -> Reading:
        """Return what is known of the statement, and read it in a thread where that is nothing yet. Raises Failed."""
        key = _key(call)
        if key not in self._known:
            try:
                async with asyncio.timeout_at(call.deadline):
                    await self._aside(self._look, key)
            except TimeoutError:
                raise Failed("timeout", "the statement was not read in time", "timeout") from None
        return self.now(call)

    def now(self, call: Call) -> Reading:
        """Look at the statement once more: live state may have been changed by hand since it was validated. Raises Failed."""
        if call.operation.body["read_only"] is not True and call.connector.body["read_only"] is True:
            raise Failed("read-only", "the connector is read-only", "blocked")
        key = _key(call)
        found = self._known.get(key) or self._look(key)
        if found.refusal:
            raise Failed("statement-refused", found.refusal, "blocked")
        return found

    def _look(self, key: _Key) -> Reading:
        if len(self._known) >= _MOST_READ:
            self._known.clear()
        self._known[key] = found = _read(*key)
        return found

    def report(self, call: Call, error: Failed) -> None:
        """Log why a statement is refused, for its author."""
        if error.code == "statement-refused":
            self._trouble.occurs(f"{call.tenant}/{call.operation.name}: {error}")


def _read(sql: str, scope: Scope, may_write: bool) -> Reading:
    nothing = Lexed((), ())
    if len(sql) > _MOST_CHARACTERS:
        return Reading(sql, nothing, f"the statement is longer than {_MOST_CHARACTERS} characters")
    try:
        legible(sql)
    except PydanticCustomError as error:
        return Reading(sql, nothing, error.message())
    lexed = placeholders(sql, scope.dialect)
    if lexed.flaws:
        return Reading(sql, nothing, "the statement can't be read for certain")
    found = inspect(sql, scope.dialect)
    if found.refused or (found.writes and not may_write):
        why = found.refused[0].message if found.refused else found.writes[0]
        return Reading(sql, nothing, f"the statement is none that may be run here: {why}")
    try:
        refuse(tables=scope.unlisted(found.tables))
    except Failed as error:
        return Reading(sql, nothing, str(error))
    if scope.dialect == "sqlite":
        sql = _names_only(sql, lexed)
        lexed = placeholders(sql, scope.dialect)
    return Reading(sql, lexed)


def _names_only(sql: str, lexed: Lexed) -> str:
    """Write each "name" as `name`: SQLite takes a name in double quotes that is no column for a string, in silence."""
    parts, at = [], 0
    for start, end in lexed.names:
        name = sql[start + 1 : end - 1].replace('""', '"').replace("`", "``")
        parts += [sql[at:start], f"`{name}`"]
        at = end
    return "".join([*parts, sql[at:]])


def told(columns: Sequence[str], records: Iterable[Sequence[Any]], caps: Caps) -> Answer:
    """Return rows as objects by the names of their columns. Raises Failed where a cell or the whole is too large."""
    try:
        return Answer(*rows_of(columns, records, caps))
    except TooLarge:
        raise too_large() from None


def too_large() -> Failed:
    """Return the failure of a result above its cap."""
    return Failed("too-large", "the result is larger than allowed")


def typed(call: Call, name: str) -> Any:
    """Return a value as Python's drivers take it: dates, times and uuids as such, not as text."""
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

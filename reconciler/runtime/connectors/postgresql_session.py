"""One connection to PostgreSQL: a statement and its values turned into an answer, and the connection into one that is as new."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg  # type: ignore[import-untyped]
from msgspec import Struct

from reconciler.runtime.call import Answer, Call, Failed
from reconciler.runtime.connectors.postgresql_reach import REPORT, SILENCE, Listener, judge
from reconciler.runtime.connectors.postgresql_values import Changed, Column, fitted, spelled, told_of
from reconciler.runtime.connectors.sql_common import Bound, Reading, Scope, caps_of, scope_of, typed
from reconciler.runtime.connectors.sql_rows import Caps
from reconciler.runtime.threads import aside

MOST_PREPARED = 64
_UNTYPED = (asyncpg.IndeterminateDatatypeError, asyncpg.AmbiguousParameterError)
_OTHER_SCHEMA = frozenset({"0A", "26", "42"})
"""Classes of errors by which a server says that a statement does not fit any more what it was prepared for."""
_AS_NEW = (
    "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); "
    "DISCARD TEMP; DISCARD SEQUENCES"
)
"""DISCARD ALL, as PostgreSQL's manual spells it out, but for prepared statements: these are ours alone, since inside of a
subquery nobody can say PREPARE."""


class Spelled(NamedTuple):
    """A statement as the server reads it, and its values as it wants them."""

    text: str
    values: Sequence[Any]


class Own(NamedTuple):
    """A query that this program has written itself: ``text`` with `$1`, and ``settings`` (`; SET LOCAL …`) of its transaction."""

    text: str
    columns: tuple[Column, ...]
    settings: str = ""


class Prepared(Struct):
    """A query that the server has measured into rows of JSON; ``kinds`` are its columns' types as they were the first time."""

    wanted: Sequence[Any]
    text: str
    statement: Any
    columns: Sequence[Column]
    kinds: Any = None


class Lost(Exception):
    """A session that had been used did not become as new: nothing of the call has been asked for yet."""


class Session:
    """``until`` is when it is given up, in monotonic time: roles and passwords change.

    ``used`` has the transaction of an earlier call open, which ends before anything else is asked.
    """

    def __init__(self, connection: Any, until: float) -> None:
        self.connection, self.until = connection, until
        self.used = False
        self._version: int = connection.get_server_version().major
        self._prepared: dict[tuple[str, Scope, Caps], Prepared] = {}
        self._own: dict[Own, Any] = {}
        self._listener = Listener(connection)

    async def read(self, call: Call, reading: Reading) -> Answer:
        """End before ROLLBACK. A query that was prepared before is asked for its columns' types and names each time.

        Raises Lost.
        """
        key = (reading.sql, scope_of(call), caps_of(call))
        known = self._prepared.get(key)
        if known is not None:
            asked = _spelled(call, reading, reading.bound("$"), known.wanted)
            if asked.text == known.text:
                try:
                    await self._begin(call, readonly=True)
                    return await self._rows(call, known, asked.values)
                except Changed:
                    await self.connection.execute("ROLLBACK")
                    del self._prepared[key]
        await self._as_new()
        known, asked = await self._prepare(call, reading)
        try:
            answer = await self._rows(call, known, asked.values)
        except Changed:
            raise Failed("query-failed", "the database was changed while it was asked") from None
        if len(self._prepared) >= MOST_PREPARED:
            self._prepared.clear()
        self._prepared[key] = known
        return answer

    async def write(self, call: Call, reading: Reading) -> Answer:
        """End behind COMMIT. Raises Lost."""
        await self._as_new()
        await self._refuse_forms(reading)
        _, asked, described = await self._described(call, reading, "{}")
        attributes = described.get_attributes()
        await self._begin(call, readonly=False)
        if attributes:
            columns, aliases = _columns(attributes)
            query = _measured(f"reconciler_w reconciler_t{aliases}", columns, caps_of(call))
            statement = await self._judged(call, f"WITH reconciler_w AS (\n{asked.text}\n) {query}")
            answer = await _told(await statement.fetch(*asked.values), columns, caps_of(call))
        else:
            statement = await self._judged(call, asked.text)
            await statement.fetch(*asked.values)
            changed = int(statement.get_statusmsg().rpartition(" ")[2])
            answer = Answer({"changed": changed}, changed, 0)
        await self._commit(call)
        return answer

    async def catalog(self, query: str, *values: Any) -> Sequence[Any]:
        """Return rows of the server's catalogs, by a query of ours. Raises Lost."""
        await self._as_new()
        found: Sequence[Any] = await self.connection.fetch(query, *values)
        return found

    async def own_rows(self, call: Call, query: Own, values: Sequence[str], caps: Caps) -> Answer:
        """Return the rows of a query of ours, which is prepared once and needs no judge. Raises Lost."""
        statement = self._own.get(query)
        if statement is None:
            await self._as_new()
            if len(self._own) >= MOST_PREPARED:
                self._own.clear()
            text = _measured(f"(\n{query.text}\n) reconciler_t", query.columns, caps)
            statement = await self.connection.prepare(text, name=f"reconciler_{secrets.token_hex(8)}")
            self._own[query] = statement
        await self._begin(call, readonly=True, more=query.settings)
        return await _told(await statement.fetch(*values), query.columns, caps)

    async def own_change(self, call: Call, text: str, values: Sequence[str]) -> int:
        """Return how many rows a statement of ours has changed. Ends behind COMMIT. Raises Lost."""
        await self._as_new()
        await self._begin(call, readonly=False)
        statement = await self.connection.prepare(text)
        await statement.fetch(*values)
        changed = int(statement.get_statusmsg().rpartition(" ")[2])
        await self._commit(call)
        return changed

    async def _commit(self, call: Call) -> None:
        call.effect = True
        if await self.connection.execute("COMMIT") != "COMMIT":
            raise Failed("query-failed", "the database did not keep what was written")

    async def _as_new(self) -> None:
        if self.used:
            try:
                await self.clean(fit=True)
            except Exception:
                raise Lost from None

    async def clean(self, fit: bool) -> None:
        """Cancel what still runs: asyncpg waits for that before its next word."""
        begun = not fit or self.connection.is_in_transaction()
        if fit:
            await self.connection.execute(f"ROLLBACK; {_AS_NEW}" if begun else _AS_NEW)
        elif begun:
            await self.connection.execute("ROLLBACK")
        self.used = False

    async def _rows(self, call: Call, known: Prepared, values: Sequence[Any]) -> Answer:
        """Return a query's rows. Raises Changed for one that is no longer what it was when it was prepared."""
        try:
            records = await known.statement.fetch(*values)
        except asyncpg.PostgresError as error:
            if known.kinds is not None and str(error.sqlstate)[:2] in _OTHER_SCHEMA:
                raise Changed from None
            raise
        if records:
            known.kinds = known.kinds or records[0][1]
            if records[0][1] != known.kinds:
                raise Changed
        return await _told(records, known.columns, caps_of(call))

    async def _prepare(self, call: Call, reading: Reading) -> tuple[Prepared, Spelled]:
        """Leaves the transaction open in which the query was judged."""
        # inside of a subquery there is no other form of a statement than a query
        wanted, asked, described = await self._described(call, reading, "SELECT * FROM (\n{}\n) reconciler_t")
        attributes = described.get_attributes()
        if not attributes:
            raise Failed("query-failed", "the statement has no columns")
        columns, aliases = _columns(attributes)
        query = _measured(f"(\n{asked.text}\n) reconciler_t{aliases}", columns, caps_of(call))
        # of a name that nobody else has: a proxy may hand the server's connection to others in between
        await self._begin(call, readonly=True)
        statement = await self._judged(call, query, name=f"reconciler_{secrets.token_hex(8)}")
        return Prepared(wanted, asked.text, statement, columns), asked

    async def _judged(self, call: Call, text: str, name: str | None = None) -> Any:
        """Prepare a statement inside of the transaction; nothing of it runs before the server's reading is judged."""
        await self.connection.execute(REPORT)
        self._listener.begin()
        statement = await self.connection.prepare(text, name=name)
        reach = await self._listener.reach()
        await self.connection.execute(SILENCE)
        await judge(self.connection, reach, scope_of(call))
        return statement

    async def _described(self, call: Call, reading: Reading, within: str) -> tuple[Sequence[Any], Spelled, Any]:
        """Return the types that the server derived, too; what is prepared is one statement, and not run."""
        statement = reading.bound("$")
        wanted: Sequence[Any]
        try:
            described = await self.connection.prepare(within.format(statement.sql))
            wanted = described.get_parameters()
        except _UNTYPED:
            described, wanted = None, [None] * len(statement.names)
        asked = _spelled(call, reading, statement, wanted)
        if described is None or asked.text != statement.sql:
            described = await self.connection.prepare(within.format(asked.text))
        return wanted, asked, described

    async def _begin(self, call: Call, *, readonly: bool, more: str = "") -> None:
        """``more`` are settings of ours for this transaction."""
        seconds = call.deadline - asyncio.get_running_loop().time()
        text = begin(max(1, int(seconds * 1000)), self._version, readonly=readonly) + more
        if not self.used:
            await self.connection.execute(text)
            return
        try:
            await self.connection.execute(f"ROLLBACK; BEGIN; {_AS_NEW}; COMMIT; {text}")
        except Exception:
            raise Lost from None
        self.used = False

    async def _refuse_forms(self, reading: Reading) -> None:
        """Inside of WITH, the grammar has queries, INSERT, UPDATE, DELETE and MERGE: no DO, COPY, CALL or SET, whatever is sent.

        Nothing is run. What is said about types, or about a WITH in there that writes, comes after the grammar has agreed.
        """
        try:
            await self.connection.prepare(f"WITH reconciler_w AS (\n{reading.bound('$').sql}\n) SELECT 1")
        except (asyncpg.FeatureNotSupportedError, *_UNTYPED):
            return


def begin(milliseconds: int, version: int, *, readonly: bool) -> str:
    """Return a transaction that the server ends by itself; ``transaction_timeout`` ends the session, so it comes second."""
    bounds = {"statement_timeout": milliseconds, "idle_in_transaction_session_timeout": milliseconds}
    if version >= 17:
        bounds["transaction_timeout"] = milliseconds + 500
    settings = "; ".join(f"SET LOCAL {name} = {bound}" for name, bound in bounds.items())
    return f"BEGIN{' READ ONLY' if readonly else ''}; {settings}; SET LOCAL bytea_output = hex"


def _spelled(call: Call, reading: Reading, statement: Bound, wanted: Sequence[Any]) -> Spelled:
    parameters = call.operation.body["parameters"]
    given = [
        fitted(number, parameters[name], typed(call, name), one)
        for number, (name, one) in enumerate(zip(statement.names, wanted, strict=True), 1)
    ]
    marks = [mark for mark, _ in given]
    values = [value for _, value in given]
    if all(mark == f"${number}" for number, mark in enumerate(marks, 1)):
        return Spelled(statement.sql, values)
    return Spelled(spelled(reading, dict(zip(statement.names, marks, strict=True))), values)


def _columns(attributes: Sequence[Any]) -> tuple[list[Column], str]:
    """Under their own names, where these are distinct; else under numbered ones, which is what is added to the query."""
    names = [one.name for one in attributes]
    if len({*names}) == len(names):
        return [Column(one.name, one.name, one.type.name) for one in attributes], ""
    columns = [Column(one.name, f"c{number}", one.type.name) for number, one in enumerate(attributes)]
    return columns, f" ({', '.join(one.key for one in columns)})"


def _measured(source: str, columns: Sequence[Column], caps: Caps) -> str:
    """Rows as JSON that the server has made and measured: a cell that is too large stays there, and NULL comes.

    The first row has the types of the columns besides.
    """
    quoted = [one.key.replace('"', '""') for one in columns]
    kinds = ", ".join(f'pg_catalog.pg_typeof(t."{one}")::pg_catalog.oid' for one in quoted)
    rows = f"SELECT pg_catalog.to_json(t.*)::text AS j, ARRAY[{kinds}] AS k FROM (SELECT * FROM {source} LIMIT {caps.rows + 1}) t"
    sizes = (
        "SELECT j, k, pg_catalog.sum(pg_catalog.octet_length(j)) OVER w AS total, pg_catalog.row_number() OVER w AS n "
        f"FROM ({rows}) a WINDOW w AS (ROWS UNBOUNDED PRECEDING)"
    )
    return f"SELECT CASE WHEN total <= {caps.size} THEN j END, CASE WHEN n = 1 THEN k END FROM ({sizes}) b"


async def _told(records: Sequence[Sequence[Any]], columns: Sequence[Column], caps: Caps) -> Answer:
    """Return rows as an answer; of many, in a thread. Raises Failed, Changed."""
    size = sum(len(record[0] or "") for record in records)
    return await aside(size, told_of, records, columns, caps)

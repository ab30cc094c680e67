"""PostgreSQL: a call turned into one prepared statement in a transaction that the server keeps read-only."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import asyncpg  # type: ignore[import-untyped]

from reconciler.access.snapshot import Resource
from reconciler.runtime.addresses import checked as checked_addresses
from reconciler.runtime.call import Answer, Call, Connection, Failed, Surroundings
from reconciler.runtime.connectors.dsn import Target, target_of, tls_of
from reconciler.runtime.connectors.postgresql_values import fitted, spelled, told_of
from reconciler.runtime.connectors.sql_common import Caps, bound, caps_of, checked, typed, writes

CONNECT_SECONDS, CLEAN_SECONDS = 5.0, 1.0
IDLE_SECONDS, LIFE_SECONDS = 60.0, 300.0
"""How long a connection may be without use, and how long it may live: roles and passwords change."""
_WHO = """SELECT EXISTS (
    SELECT 1 FROM pg_catalog.pg_roles g
    WHERE (g.rolsuper OR g.rolreplication OR g.rolbypassrls OR g.rolcreaterole OR g.rolname = ANY($1::text[]))
    AND (pg_catalog.pg_has_role(current_user, g.oid, 'MEMBER') OR pg_catalog.pg_has_role(session_user, g.oid, 'MEMBER'))
  ) AS privileged, EXISTS (
    SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'reconciler_schema' AND relkind IN ('r', 'p')
  ) OR EXISTS (
    SELECT 1 FROM pg_catalog.pg_class
    WHERE relname IN ('runtime_schema', 'intents', 'outcomes', 'denials') AND relkind IN ('r', 'p')
    GROUP BY relnamespace HAVING pg_catalog.count(*) = 4
  ) AS ours, pg_catalog.current_database()::text AS database"""
_GROUPS = [
    "pg_read_server_files",
    "pg_write_server_files",
    "pg_execute_server_program",
    "pg_signal_backend",
    "pg_checkpoint",
    "pg_create_subscription",
]


_SCHEMES = frozenset({"postgresql", "postgres"})
_UNTYPED = (asyncpg.IndeterminateDatatypeError, asyncpg.AmbiguousParameterError)


class _Open(NamedTuple):
    connection: Any
    until: float


async def open_postgresql(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Reaches nobody yet. Raises Failed."""
    return _Postgresql(tenant, connector, around)


class _Postgresql:
    """At most ``pool_size`` connections, opened when they are needed and reused once they are as new."""

    def __init__(self, tenant: str, connector: Resource, around: Surroundings) -> None:
        self._tenant, self._body, self._around = tenant, connector.body, around
        self._slots = asyncio.Semaphore(connector.body["pool_size"])
        self._idle: list[tuple[float, _Open]] = []
        self._closed = False

    async def run(self, call: Call) -> Answer:
        sql, may_write = checked(call), writes(call)
        try:
            async with asyncio.timeout_at(call.deadline):
                await self._slots.acquire()
        except TimeoutError:
            raise Failed("timeout", "all connections were in use for too long", "timeout") from None
        try:
            return await self._ran(call, sql, may_write)
        finally:
            self._slots.release()

    async def close(self) -> None:
        self._closed = True
        self._end_old(float("inf"))

    async def _ran(self, call: Call, sql: str, may_write: bool) -> Answer:
        opened, fit = None, False
        try:
            async with asyncio.timeout_at(call.deadline):
                opened = await self._taken()
                answer = await _answer(opened.connection, call, sql, may_write)
            fit = True
            return answer
        except TimeoutError:
            raise Failed("timeout", "it took too long", "unknown" if call.effect else "timeout") from None
        except Failed:
            fit = True
            raise
        except Exception as error:
            fit = isinstance(error, asyncpg.PostgresError)
            raise _failed(error, call.effect) from None
        finally:
            if opened is not None:
                await self._back(opened, fit)

    async def _taken(self) -> _Open:
        self._end_old(time.monotonic())
        while self._idle:
            _, opened = self._idle.pop()
            if not opened.connection.is_closed():
                return opened
        until = time.monotonic() + LIFE_SECONDS
        return _Open(await self._dialled(), until)

    async def _dialled(self) -> Any:
        for last, resolve in ((False, self._around.resolve), (True, self._around.resolve_anew)):
            target = await target_of(self._tenant, self._body, resolve, _SCHEMES, 5432)
            try:
                return await _opened(target, self._body, self._around)
            except Failed:
                raise
            except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
                if last:  # it may have been replaced a moment ago
                    raise Failed("credential-refused", "the database refuses the credential") from None
            except asyncpg.PostgresError as error:
                raise Failed("unreachable", f"the database refuses a connection ({error.sqlstate})") from None
            except Exception:
                raise Failed("unreachable", "the database can't be reached") from None
        raise AssertionError

    async def _back(self, opened: _Open, fit: bool) -> None:
        """Into the pool as new, or ended. What still runs is cancelled: asyncpg waits for that before its next word."""
        connection = opened.connection
        try:
            async with asyncio.timeout(CLEAN_SECONDS):
                if not fit or connection.is_in_transaction():
                    await connection.execute("ROLLBACK")
                if fit:
                    await connection.execute("DISCARD ALL")
        except Exception:
            fit = False  # it has its answer already, whatever becomes of the connection
        except BaseException:
            connection.terminate()
            raise
        if fit and not self._closed:
            self._idle.append((time.monotonic() + IDLE_SECONDS, opened))
        else:
            connection.terminate()  # whoever comes next gets one of which everything is known

    def _end_old(self, now: float) -> None:
        idle, self._idle = self._idle, []
        for one in idle:
            if min(one[0], one[1].until) > now:
                self._idle.append(one)
            else:
                one[1].connection.terminate()


async def _opened(target: Target, body: Mapping[str, Any], around: Surroundings) -> Any:
    # a socket is a way into this very machine: who may name it may name 127.0.0.1
    host = "127.0.0.1" if target.folder is not None else target.host
    addresses = await checked_addresses(host, target.port, around.permits, body["network_exceptions"])
    ways = tls_of(target)
    for secure in ways:
        try:
            connection = await asyncpg.connect(
                host=addresses if target.folder is None else [target.folder],
                port=target.port,
                database=target.database,
                user=target.user,
                # without one, asyncpg would take PGPASSWORD and .pgpass of whoever runs this server
                password=target.password or "",
                ssl=secure or False,
                direct_tls=False,
                target_session_attrs="any",
                timeout=CONNECT_SECONDS,
                statement_cache_size=0,
                server_settings={"application_name": "reconciler serve", "search_path": "public"},
            )
            break
        except (ConnectionError, ssl.SSLError):
            if secure is ways[-1]:
                raise
    try:
        await _refuse(connection, around)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _refuse(connection: Any, around: Surroundings) -> None:
    who = await connection.fetchrow(_WHO, _GROUPS)
    if who["privileged"]:
        raise Failed("privileged-role", "the role may do more than reading and writing tables", "blocked")
    servers = {str(server) for server, name in around.control if server is not None and name == who["database"]}
    if who["ours"] or (servers and await _server(connection) in servers):
        raise Failed(
            "control-database",
            "the databases of the configuration and of this server are nothing for templates",
            "blocked",
        )


async def _server(connection: Any) -> str | None:
    """Which server it is; None where the role may not know, and only the table that ours has can tell."""
    try:
        return str(await connection.fetchval("SELECT system_identifier FROM pg_catalog.pg_control_system()"))
    except asyncpg.InsufficientPrivilegeError:
        return None


async def _answer(connection: Any, call: Call, sql: str, may_write: bool) -> Answer:
    """Ends before ROLLBACK, if it only reads."""
    if may_write:
        await _refuse_forms(connection, sql)
    text, values, attributes = await _described(connection, call, sql, may_write)
    seconds = call.deadline - asyncio.get_running_loop().time()
    version = connection.get_server_version().major
    await connection.execute(begin(max(1, int(seconds * 1000)), version, readonly=not may_write))
    caps = caps_of(call)
    if attributes:
        names = ", ".join(f"c{number}" for number in range(len(attributes)))
        source = f"reconciler_w reconciler_t ({names})" if may_write else f"(\n{text}\n) reconciler_t ({names})"
        inside = f"WITH reconciler_w AS (\n{text}\n) " if may_write else ""
        statement = await connection.prepare(inside + _measured(source, caps))
        answer = told_of([text for (text,) in await statement.fetch(*values)], attributes, caps)
    elif not may_write:
        raise Failed("query-failed", "the statement has no columns")
    else:
        statement = await connection.prepare(text)
        await statement.fetch(*values)
        changed = int(statement.get_statusmsg().rpartition(" ")[2])
        answer = Answer({"changed": changed}, changed, 0)
    if may_write:
        call.effect = True
        if await connection.execute("COMMIT") != "COMMIT":
            raise Failed("query-failed", "the database did not keep what was written")
    return answer


def begin(milliseconds: int, version: int, *, readonly: bool) -> str:
    """A transaction that the server ends by itself; ``transaction_timeout`` ends the session, so it comes second."""
    bounds = {"statement_timeout": milliseconds, "idle_in_transaction_session_timeout": milliseconds}
    if version >= 17:
        bounds["transaction_timeout"] = milliseconds + 500
    settings = "; ".join(f"SET LOCAL {name} = {bound}" for name, bound in bounds.items())
    return f"BEGIN{' READ ONLY' if readonly else ''}; {settings}; SET LOCAL bytea_output = hex"


async def _refuse_forms(connection: Any, sql: str) -> None:
    """Inside of WITH, the grammar has queries, INSERT, UPDATE, DELETE and MERGE: no DO, COPY, CALL or SET, whatever is sent.

    Nothing is run. What is said about types, or about a WITH in there that writes, comes after the grammar has agreed.
    """
    try:
        await connection.prepare(f"WITH reconciler_w AS (\n{bound(sql, 'postgresql', '$').sql}\n) SELECT 1")
    except (asyncpg.FeatureNotSupportedError, *_UNTYPED):
        return


async def _described(connection: Any, call: Call, sql: str, may_write: bool) -> tuple[str, list[Any], Any]:
    """The statement, its values as the server wants them, and its columns; what is prepared is one statement, and not run."""
    statement = bound(sql, "postgresql", "$")

    async def prepared(text: str) -> Any:
        # inside of a subquery there is no other form of a statement than a query
        return await connection.prepare(text if may_write else f"SELECT * FROM (\n{text}\n) reconciler_t")

    try:
        described = await prepared(statement.sql)
        wanted = described.get_parameters()
    except _UNTYPED:
        described, wanted = None, [None] * len(statement.names)
    given = [
        fitted(number, call.template.body["parameters"][name], typed(call, name), one)
        for number, (name, one) in enumerate(zip(statement.names, wanted, strict=True), 1)
    ]
    text = spelled(sql, "postgresql", dict(zip(statement.names, (mark for mark, _ in given), strict=True)))
    if described is None or text != statement.sql:
        described = await prepared(text)
    return text, [value for _, value in given], described.get_attributes()


def _measured(source: str, caps: Caps) -> str:
    """Rows as JSON that the server has made and measured: a cell that is too large stays there, and NULL comes."""
    rows = f"SELECT pg_catalog.to_json(t)::text AS j FROM (SELECT * FROM {source} LIMIT {caps.rows + 1}) t"
    sizes = (
        f"SELECT j, pg_catalog.sum(pg_catalog.octet_length(j)) OVER (ROWS UNBOUNDED PRECEDING) AS total FROM ({rows}) a"
    )
    return f"SELECT CASE WHEN total <= {caps.size} THEN j END FROM ({sizes}) b"


def _failed(error: Exception, effect: bool) -> Failed:
    """Of the server's message only the class of its code: the rest may hold values."""
    state = str(getattr(error, "sqlstate", None) or "")
    if state == "57014" or (state in {"25P03", "25P04"} and not effect):
        return Failed("timeout", "it took too long", "timeout")
    outcome = "unknown" if effect else "failure"
    ended = state[:2] in {"08", "57"} or getattr(error, "severity_en", None) in {"FATAL", "PANIC"}
    if ended or (not state and isinstance(error, OSError | asyncpg.InterfaceError)):
        return Failed("connection-lost", "the connection to the database ended", outcome)
    if state.startswith("25006") or state in {"42501", "0A000"}:
        return Failed("statement-refused", "the statement does something that is not allowed here", "blocked")
    # a code means that the server has answered, so COMMIT has not happened
    return Failed("query-failed", f"the database refused the statement ({state})", "failure" if state else outcome)

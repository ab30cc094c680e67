"""PostgreSQL: a call turned into one prepared statement in a transaction that the server keeps read-only."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import asyncpg  # type: ignore[import-untyped]

from reconciler.access.resource import Resource
from reconciler.runtime.addresses import checked as checked_addresses
from reconciler.runtime.call import Answer, Call, Connection, Failed, Surroundings, ValuesRefused
from reconciler.runtime.connectors.dsn import Target, target_of, tls_of
from reconciler.runtime.connectors.postgresql_session import Lost, Session
from reconciler.runtime.connectors.sql_common import Reader, Reading, writes
from reconciler.runtime.deadline import until

CONNECT_SECONDS, CLEAN_SECONDS = 5.0, 1.0
REST_SECONDS, LEFT_SECONDS = 0.002, 1.0
"""How long a connection may wait for the next call before it is made as new, and what has to be left of the call before."""
IDLE_SECONDS, LIFE_SECONDS = 60.0, 300.0
"""How long a connection may be without use, and how long it may live: roles and passwords change."""
_WHO = r"""SELECT EXISTS (
    SELECT 1 FROM pg_catalog.pg_roles g
    WHERE (g.rolsuper OR g.rolreplication OR g.rolbypassrls OR g.rolcreaterole
        OR (g.rolname LIKE 'pg\_%' AND g.rolname <> ALL($1::text[])))
    AND (pg_catalog.pg_has_role(current_user, g.oid, 'MEMBER') OR pg_catalog.pg_has_role(session_user, g.oid, 'MEMBER'))
  ) AS privileged, EXISTS (
    SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'reconciler_schema' AND relkind IN ('r', 'p')
  ) OR EXISTS (
    SELECT 1 FROM pg_catalog.pg_class
    WHERE relname IN ('runtime_schema', 'intents', 'outcomes', 'denials') AND relkind IN ('r', 'p')
    GROUP BY relnamespace HAVING pg_catalog.count(*) = 4
  ) AS ours, pg_catalog.current_database()::text AS database"""
_HARMLESS = ["pg_database_owner", "pg_use_reserved_connections"]
"""Of the predefined roles, whose names nobody else may begin with ``pg_``: all others read or do more than tables grant."""
_OF_VALUES = frozenset({"22", "23"})
"""Classes of codes by which the server says that it can't do this with these values: a text is no date or pattern, a number
divides by zero, LIMIT is negative, a constraint does not hold."""
_SEQUENCE_ENDED = "2200H"
_SCHEMES = frozenset({"postgresql", "postgres"})
Asks: TypeAlias = Callable[[Session], Awaitable[Answer]]
"""What is done with a session. Raises Lost where nothing was asked for yet."""


async def open_postgresql(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Reaches nobody yet. Raises Failed."""
    return _Postgresql(tenant, connector, around)


class _Postgresql:
    """The gateway of templates of type `sql`."""

    def __init__(self, tenant: str, connector: Resource, around: Surroundings) -> None:
        body = connector.body
        self._pool = Pool(tenant, Dial(body, body["ssl"], body["network_exceptions"]), body["pool_size"], around)
        self._reader = Reader()

    async def run(self, call: Call) -> Answer:
        try:
            reading = await self._reader.read(call)
            return await self._pool.ask(call, lambda session: _asked(session, call, reading), writes(call))
        except Failed as error:
            self._reader.report(call, error)
            raise

    async def ping(self) -> None:
        await self._pool.ping()

    async def close(self) -> None:
        await self._pool.close()


class Dial(NamedTuple):
    """Which server is dialled: ``body`` has `dsn` or its parts, ``ssl`` is the least encryption."""

    body: Mapping[str, Any]
    ssl: str
    network_exceptions: Sequence[Mapping[str, Any]]


class Pool:
    """At most ``size`` connections, opened when they are needed and reused once they are as new."""

    def __init__(self, tenant: str, dial: Dial, size: int, around: Surroundings) -> None:
        self._tenant, self._dial, self._around = tenant, dial, around
        self._slots = asyncio.Semaphore(size)
        self._idle: list[tuple[float, Session]] = []
        self._rest: asyncio.TimerHandle | None = None
        self._cleaning: asyncio.Task[None] | None = None
        self._closed = False

    async def ask(self, call: Call, asks: Asks, is_write: bool) -> Answer:
        """Return what a call asks of a session. Raises Failed."""
        await self._slot(call)
        try:
            return await self._ran(call, asks, is_write)
        finally:
            self._slots.release()

    async def ping(self) -> None:
        session = await self._new()
        try:
            await session.connection.fetchval("SELECT 1")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            raise Failed("connection-lost", "the connection to the database ended", "failure") from None
        finally:
            session.connection.terminate()

    async def _slot(self, call: Call) -> None:
        if not self._slots.locked():
            await self._slots.acquire()  # at once
            return
        try:
            async with asyncio.timeout_at(call.deadline):
                await self._slots.acquire()
        except TimeoutError:
            raise Failed("timeout", "all connections were in use for too long", "timeout") from None

    async def close(self) -> None:
        self._closed = True
        if self._rest is not None:
            self._rest.cancel()
        if self._cleaning is not None:
            self._cleaning.cancel()
        self._end_old(float("inf"))

    async def _ran(self, call: Call, asks: Asks, is_write: bool) -> Answer:
        opened, fit = None, False
        try:
            with until(call.deadline):
                opened = await self._taken()
                try:
                    answer = await asks(opened)
                except Lost:
                    opened.connection.terminate()
                    opened = await self._new()
                    answer = await asks(opened)
            fit = True
            return answer
        except TimeoutError:
            raise Failed("timeout", "it took too long", "unknown" if call.effect else "timeout") from None
        except Failed:
            fit = True
            raise
        except Exception as error:
            fit = isinstance(error, asyncpg.PostgresError)
            raise _failed(error, call) from None
        finally:
            if opened is not None and not (fit and self._rests(opened, call, is_write)):
                await self._back(opened, fit)

    async def _taken(self) -> Session:
        self._end_old(time.monotonic())
        while self._idle:
            _, opened = self._idle.pop()
            if not opened.connection.is_closed():
                return opened
        return await self._new()

    async def _new(self) -> Session:
        until = time.monotonic() + LIFE_SECONDS
        return Session(await self._dialled(), until)

    def _rests(self, session: Session, call: Call, is_write: bool) -> bool:
        """Whether a session waits for the next call as it is: what makes it as new and what begins a call are one exchange then.

        Where no call comes soon it is made as new without one, and long before the server ends its transaction.
        """
        loop = asyncio.get_running_loop()
        if self._closed or is_write or call.deadline - loop.time() < LEFT_SECONDS:
            return False
        if session.connection.is_closed():
            return False
        session.used = True
        self._idle.append((time.monotonic() + IDLE_SECONDS, session))
        if self._rest is None:
            self._rest = loop.call_later(REST_SECONDS, self._end_rest)
        return True

    def _end_rest(self) -> None:
        self._rest = None
        if self._cleaning is None or self._cleaning.done():
            self._cleaning = asyncio.create_task(self._clean())

    async def _clean(self) -> None:
        """Make as new what was used and is idle; each counts as one that is in use meanwhile."""
        while any(one.used for _, one in self._idle):
            async with self._slots:
                used = next((pair for pair in self._idle if pair[1].used), None)
                if used is not None:
                    self._idle.remove(used)
                    await self._back(used[1], fit=True)

    async def _dialled(self) -> Any:
        for last, resolve in ((False, self._around.resolve), (True, self._around.resolve_anew)):
            target = await target_of(self._tenant, {**self._dial.body, "ssl": self._dial.ssl}, resolve, _SCHEMES, 5432)
            try:
                return await _opened(target, self._dial.network_exceptions, self._around)
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

    async def _back(self, session: Session, fit: bool) -> None:
        """Into the pool as new, or ended."""
        try:
            with until(asyncio.get_running_loop().time() + CLEAN_SECONDS):
                await session.clean(fit)
        except Exception:
            fit = False  # it has its answer already, whatever becomes of the connection
        except BaseException:
            session.connection.terminate()
            raise
        if fit and not self._closed:
            self._idle.append((time.monotonic() + IDLE_SECONDS, session))
        else:
            session.connection.terminate()  # whoever comes next gets one of which everything is known

    def _end_old(self, now: float) -> None:
        idle, self._idle = self._idle, []
        for one in idle:
            if min(one[0], one[1].until) > now:
                self._idle.append(one)
            else:
                one[1].connection.terminate()


async def _asked(session: Session, call: Call, reading: Reading) -> Answer:
    return await (session.write(call, reading) if writes(call) else session.read(call, reading))


async def _opened(target: Target, exceptions: Sequence[Mapping[str, Any]], around: Surroundings) -> Any:
    # a socket is a way into this very machine: who may name it may name 127.0.0.1
    host = "127.0.0.1" if target.folder is not None else target.host
    addresses = await checked_addresses(host, target.port, around.permits, exceptions)
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
    who = await connection.fetchrow(_WHO, _HARMLESS)
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


def _failed(error: Exception, call: Call) -> Failed:
    """Of the server's message only the class of its code: the rest may hold values."""
    effect = call.effect
    state = str(getattr(error, "sqlstate", None) or "")
    if state == "57014" or (state in {"25P03", "25P04"} and not effect):
        return Failed("timeout", "it took too long", "timeout")
    outcome = "unknown" if effect else "failure"
    ended = state[:2] in {"08", "57"} or getattr(error, "severity_en", None) in {"FATAL", "PANIC"}
    if ended or (not state and isinstance(error, OSError | asyncpg.InterfaceError)):
        return Failed("connection-lost", "the connection to the database ended", outcome)
    if state.startswith("25006") or state in {"42501", "0A000"}:
        return Failed("statement-refused", "the statement does something that is not allowed here", "blocked")
    if call.values and state[:2] in _OF_VALUES and state != _SEQUENCE_ENDED:
        return ValuesRefused("query-failed", f"the database refuses these values ({state})")
    # a code means that the server has answered, so COMMIT has not happened
    return Failed("query-failed", f"the database refused the statement ({state})", "failure" if state else outcome)

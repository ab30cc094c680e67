"""MySQL and MariaDB: a call turned into one statement in a transaction that the server keeps read-only."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from asyncmy import errors

from reconciler import strict_json
from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Call, Connection, Failed, Surroundings, ValuesRefused
from reconciler.runtime.connectors.dsn import target_of
from reconciler.runtime.connectors.mysql_session import Session, opened
from reconciler.runtime.connectors.mysql_values import marked, written
from reconciler.runtime.connectors.sql_common import Reader, Reading, caps_of, told, writes
from reconciler.runtime.deadline import until

CLEAN_SECONDS, KILL_SECONDS = 1.0, 5.0
IDLE_SECONDS, LIFE_SECONDS = 60.0, 300.0
"""How long a connection may be without use, and how long it may live: roles and passwords change."""
_SCHEMES = frozenset({"mysql", "mariadb"})
_WRITING = re.compile(r"(?is)\s*(?:insert|update|delete|replace|with|select)\b")
_GLOBAL = re.compile(r"GRANT (.+) ON \*\.\* TO ", re.IGNORECASE)
_CREDENTIAL = frozenset({1044, 1045, 1251, 1698, 1862, 4151})
_LATE = frozenset({1317, 1969, 3024})
"""Interrupted by KILL QUERY, max_statement_time, max_execution_time."""
_DENIED = frozenset({1142, 1143, 1227, 1290, 1370, 1792, 4056})
_LOST = frozenset({1053, 1077, 1079, 1152, 1153, 1158, 1159, 1160, 1161, 1184, 1927, 2003, 2006, 2013, 4031})
_OF_VALUES = frozenset(
    {
        1048,
        1062,
        1216,
        1267,
        1217,
        1264,
        1265,
        1292,
        1365,
        1366,
        1367,
        1406,
        1411,
        1451,
        1452,
        1525,
        1644,
        1690,
        3140,
        3141,
    }
    | {3143, 3144, 3685, 3819, 3903, 4025, 4037, 4038, 4042, 1139, 1815, 1210}
)
"""A constraint does not hold, a number is out of range, a text is no date, number, JSON or pattern,
or has characters that a column's character set has not."""


async def open_mysql(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Reaches nobody yet. Raises Failed."""
    return _Mysql(tenant, connector, around)


class _Mysql:
    """At most ``pool_size`` connections, opened when they are needed and reused once they are as new."""

    def __init__(self, tenant: str, connector: Resource, around: Surroundings) -> None:
        self._tenant, self._body, self._around = tenant, connector.body, around
        self._slots = asyncio.Semaphore(connector.body["pool_size"])
        self._idle: list[tuple[float, Session]] = []
        self._reader = Reader()
        self._kills: set[asyncio.Task[None]] = set()
        self._closed = False

    async def run(self, call: Call) -> Answer:
        try:
            reading = await self._reader.read(call)
            async with asyncio.timeout_at(call.deadline):
                await self._slots.acquire()
            try:
                return await self._ran(call, reading)
            finally:
                self._slots.release()
        except TimeoutError:
            raise Failed("timeout", "all connections were in use for too long", "timeout") from None
        except Failed as error:
            self._reader.report(call, error)
            raise

    async def ping(self) -> None:
        session = await self._new()
        try:
            await session.do("SELECT 1")
        except (errors.Error, OSError):
            raise Failed("connection-lost", "the connection to the database ended") from None
        finally:
            session.end()

    async def close(self) -> None:
        self._closed = True
        for kill in [*self._kills]:
            kill.cancel()
        for _, session in self._idle:
            session.end()
        self._idle.clear()

    async def _ran(self, call: Call, reading: Reading) -> Answer:
        session, fit = None, False
        try:
            with until(call.deadline):
                session = self._taken() or await self._new()
                answer, fit = await _asked(session, call, reading)
            return answer
        except TimeoutError:
            raise Failed("timeout", "it took too long", "unknown" if call.effect else "timeout") from None
        except Failed:
            raise
        except (UnicodeError, strict_json.NotStrict):
            raise Failed("invalid-value", "a value is none that MySQL can keep", "blocked") from None
        except Exception as error:
            fit = isinstance(error, errors.MySQLError) and session is not None and session.is_open
            raise _failed(error, call) from None
        finally:
            if session is not None:
                await self._back(session, fit)

    def _taken(self) -> Session | None:
        now = time.monotonic()
        while self._idle:
            ends, session = self._idle.pop()
            if min(ends, session.until) > now and session.is_open:
                return session
            session.end()
        return None

    async def _new(self) -> Session:
        for last, resolve in ((False, self._around.resolve), (True, self._around.resolve_anew)):
            target = await target_of(self._tenant, self._body, resolve, _SCHEMES, 3306)
            try:
                session = await opened(target, self._body, self._around, time.monotonic() + LIFE_SECONDS)
                await _refuse(session)
                return session
            except Failed:
                raise
            except errors.MySQLError as error:
                if _code(error) not in _CREDENTIAL:
                    raise Failed("unreachable", f"the database can't be reached ({_code(error)})") from None
                if last:  # it may have been replaced a moment ago
                    raise Failed("credential-refused", "the database refuses the credential") from None
            except Exception:
                raise Failed("unreachable", "the database can't be reached") from None
        raise AssertionError

    async def _back(self, session: Session, fit: bool) -> None:
        """Into the pool as new, or ended; a statement that may still run is killed by another connection."""
        try:
            if fit and not self._closed:
                async with asyncio.timeout(CLEAN_SECONDS):
                    await session.renew()
                self._idle.append((time.monotonic() + IDLE_SECONDS, session))
                return
        except Exception:
            fit = True  # it has its answer already, whatever becomes of the connection
        except BaseException:
            session.end()
            raise
        session.end()
        if not fit and not self._closed:
            task = asyncio.create_task(self._kill(session.number))
            self._kills.add(task)
            task.add_done_callback(self._kills.discard)

    async def _kill(self, number: int) -> None:
        """End a statement: the server notices the end of its connection when it has rows to send, and not before."""
        try:
            async with asyncio.timeout(KILL_SECONDS):
                session = await self._new()
                try:
                    await session.do(f"KILL QUERY {number}")
                finally:
                    session.end()
        except (Failed, errors.MySQLError, OSError, TimeoutError):
            return  # it has ended, or nobody can be reached


async def _asked(session: Session, call: Call, reading: Reading) -> tuple[Answer, bool]:
    """Return the answer, and whether all that the server sent was read."""
    left, caps, may_write = call.deadline - asyncio.get_running_loop().time(), caps_of(call), writes(call)
    sql = written(call, reading)
    if not may_write:
        await session.require_query(marked(reading))
    elif not _WRITING.match(reading.sql):
        raise Failed("statement-refused", "the statement has a form that is not reviewed", "blocked")
    await session.begin(max(0.001, left), caps.rows, readonly=not may_write)
    columns, rows, changed, is_whole = await session.ask(sql, caps)
    answer = told(columns, rows, caps) if columns else Answer({"changed": changed}, changed, 0)
    if may_write:
        call.effect = True
        await session.do("COMMIT")
    return answer, is_whole


async def _refuse(session: Session) -> None:
    """Raise Failed for a role with a right on all of the server; roles that were granted are not in force."""
    for text in await session.grants():
        found = _GLOBAL.match(text)
        if found and found[1].strip().upper() != "USAGE":
            session.end()
            raise Failed("privileged-role", "the role may do more than reading and writing tables", "blocked")


def _code(error: Exception) -> int:
    found: Any = error.args[0] if error.args else 0
    return found if isinstance(found, int) else 0


def _failed(error: Exception, call: Call) -> Failed:
    """Of the server's message only its number: the rest may hold values."""
    number, outcome = _code(error), "unknown" if call.effect else "failure"
    if number in _LATE:
        return Failed("timeout", "it took too long", "unknown" if call.effect else "timeout")
    if not number or number in _LOST or not isinstance(error, errors.MySQLError):
        return Failed("connection-lost", "the connection to the database ended", outcome)
    if number in _DENIED:
        return Failed("statement-refused", "the statement does something that is not allowed here", "blocked")
    if call.values and number in _OF_VALUES and not call.effect:
        return ValuesRefused("query-failed", f"the database refuses these values ({number})")
    return Failed("query-failed", f"the database refused the statement ({number})", outcome)

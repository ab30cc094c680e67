"""DuckDB files: a call turned into one statement that a process of its own runs, which may read nothing else (docs/decisions/0057)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from importlib.util import find_spec
from typing import Any

from reconciler import strict_json
from reconciler.access.resource import Resource
from reconciler.kinds.template.forbidden import is_foreign
from reconciler.kinds.template.names import Part
from reconciler.runtime.call import Answer, Call, Connection, Failed, Surroundings, ValuesRefused
from reconciler.runtime.connectors.duckdb_frames import packed
from reconciler.runtime.connectors.duckdb_process import Process, started
from reconciler.runtime.connectors.sql_common import (
    Reader,
    Reading,
    Scope,
    caps_of,
    refuse,
    scope_of,
    too_large,
    typed,
    writes,
)
from reconciler.runtime.connectors.sql_file import DatabaseFile
from reconciler.runtime.extras import client_not_installed

_LEFT, _LEFT_SECONDS = 0.1, 0.5
"""What is left of a call's time when DuckDB is interrupted, and how much at most: its worker answers then, and is kept."""
_PING_SECONDS = 5.0
_MARGIN = 65536
"""Bytes of an answer beyond the largest result."""
_MOST_KNOWN = 512
_OF_VALUES = frozenset(
    {"ConversionException", "ConstraintException", "OutOfRangeException", "InvalidInputException", "DataError"}
)
_ANSWERED = frozenset({"InterruptException", "TransactionException", "ConstraintException", "OutOfMemoryException"})
"""Errors of COMMIT after which nothing is written."""


async def open_duckdb(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Open a DuckDB file. Raises Failed for one that the operator does not permit."""
    if find_spec("duckdb") is None:
        raise client_not_installed(ModuleNotFoundError(name="duckdb"))
    name = connector.body.get("database")
    if connector.body.get("dsn") is not None:
        name = (await around.resolve(tenant, connector.body["dsn"])).removeprefix("duckdb:///")
    # one process may write, or many may read: DuckDB locks the whole file
    most = connector.body["pool_size"] if connector.body["read_only"] is True else 1
    return _Duckdb(DatabaseFile.of(str(name), around), most)


class _Duckdb:
    """Workers, each with one call at a time; one whose call did not end as it should is killed."""

    def __init__(self, file: DatabaseFile, most: int) -> None:
        self._file = file
        self._slots = asyncio.Semaphore(most)
        self._idle: list[Process] = []
        self._reader = Reader()
        self._judged: dict[tuple[str, Scope, bool], str | bool] = {}
        self._closed = False

    async def run(self, call: Call) -> Answer:
        try:
            reading = await self._reader.read(call)
            async with asyncio.timeout_at(call.deadline), self._worker() as worker:
                returns = await self._judge(worker, call, reading)
                return await self._ran(worker, call, reading, returns)
        except (UnicodeError, strict_json.NotStrict):
            raise Failed("invalid-value", "a value is none that DuckDB can keep") from None
        except TimeoutError:
            raise Failed("timeout", "it took too long", "unknown" if call.effect else "timeout") from None
        except Failed as error:
            self._reader.report(call, error)
            raise

    async def ping(self) -> None:
        async with self._worker() as worker:
            real, identity = self._file.place()
            asked = {
                "do": "ping",
                "path": real,
                "identity": [*map(str, identity)],
                "writes": False,
                "seconds": _PING_SECONDS,
            }
            reply = await worker.ask(asked, _MARGIN)
            if "error" in reply:
                raise Failed("unreachable", f"the file can't be used ({reply['error']})")

    async def close(self) -> None:
        self._closed = True
        while self._idle:
            await self._idle.pop().end()

    @contextlib.asynccontextmanager
    async def _worker(self) -> AsyncIterator[Process]:
        async with self._slots:
            while self._idle and not self._idle[-1].is_alive:
                self._idle.pop()
            worker = self._idle.pop() if self._idle else await started()
            try:
                yield worker
            finally:
                if worker.busy or self._closed:
                    await worker.end()
                else:
                    self._idle.append(worker)

    async def _judge(self, worker: Process, call: Call, reading: Reading) -> bool:
        """Return whether the statement has rows; each is judged once for each scope. Raises Failed."""
        scope, may_write = scope_of(call), writes(call)
        key = (reading.sql, scope, may_write)
        if key not in self._judged:
            if len(self._judged) >= _MOST_KNOWN:
                self._judged.clear()
            reach = await worker.ask({"do": "look", "sql": reading.bound("$").sql}, _MARGIN + 4 * len(reading.sql))
            self._judged[key] = _verdict(reach, scope, may_write)
        verdict = self._judged[key]
        if isinstance(verdict, str):
            raise Failed("statement-refused", verdict, "blocked")
        return verdict

    async def _ran(self, worker: Process, call: Call, reading: Reading, returns: bool) -> Answer:
        real, identity = self._file.place()
        statement, caps = reading.bound("$"), caps_of(call)
        left = call.deadline - asyncio.get_running_loop().time()
        asked = {
            "do": "run",
            "path": real,
            "identity": [*map(str, identity)],
            "sql": statement.sql,
            "values": [packed(typed(call, name)) for name in statement.names],
            "seconds": max(0.0, left - min(left * _LEFT, _LEFT_SECONDS)),
            "rows": caps.rows if returns else 1,
            "size": caps.size,
            "writes": writes(call),
        }
        reply = await worker.ask(asked, caps.size + _MARGIN)
        if "ready" in reply:
            call.effect = True
            try:
                reply = await worker.ask({"do": "commit"}, caps.size + _MARGIN)
            except Failed as error:
                raise Failed(error.code, str(error), "unknown") from None
        if "error" in reply:
            raise _failed(reply, call)
        if not returns:
            changed = int(next(iter(reply["content"][0].values())))
            return Answer({"changed": changed}, changed, 0)
        return Answer(reply["content"], reply["rows"], reply["size"], reply["cut"])


def _verdict(reach: Mapping[str, Any], scope: Scope, may_write: bool) -> str | bool:
    """Return why a statement may not run, or whether it has rows."""
    if "error" in reach or reach["form"]:
        return f"the statement has a form that is not reviewed ({reach.get('form') or reach['error']})"
    if reach["kind"] != "SELECT" and not may_write:
        return "the statement writes"
    foreign = [".".join(path) for path in reach["tables"] if is_foreign(path, "duckdb")]
    added = {name.replace('"', "").lower() for name in scope.functions}
    try:
        named = tuple(tuple(Part(one, True) for one in path) for path in reach["tables"])
        refuse(
            functions=[one for one in reach["functions"] if one.lower() not in added],
            tables=foreign or scope.unlisted(named),
        )
    except Failed as error:
        return str(error)
    return bool(reach["returns"])


def _failed(reply: Mapping[str, Any], call: Call) -> Failed:
    name, kinds = reply["error"], {*reply.get("kinds", ())}
    if call.effect and name not in _ANSWERED:
        return Failed("commit-failed", "nobody knows whether it was written", "unknown")
    if name == "TooLarge":
        return too_large()
    if name == "InterruptException":
        return Failed("timeout", "it took too long", "timeout")
    if name in {"IOException", "OSError"}:
        return Failed("unreachable", f"the file can't be used ({name})")
    if name in {"OutOfMemoryException", "MemoryError"}:
        return Failed("query-failed", f"the statement needs more memory than it may have ({name})")
    if name == "PermissionException":
        return Failed("statement-refused", "the statement does something that is not allowed here", "blocked")
    if call.values and kinds & _OF_VALUES:
        return ValuesRefused("query-failed", f"the database refuses these values ({name})")
    return Failed("query-failed", f"the database refused the statement ({name})")

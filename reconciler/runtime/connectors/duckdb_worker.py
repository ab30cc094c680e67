"""The worker behind a DuckDB connector: a process of its own, which can be killed, and whose memory has a bound.

It reads frames from its input and answers each on its output. What it runs has been judged by the gateway; the file is opened
for one call and closed behind it, so that nothing stays from call to call and other programs may write in between.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import duckdb

from reconciler import strict_json
from reconciler.runtime.connectors.duckdb_frames import HEAD, frame, unpacked
from reconciler.runtime.connectors.duckdb_reach import reach_of
from reconciler.runtime.connectors.sql_rows import Caps, TooLarge, rows_of

_MEMORY = "256MB"
_ADDRESSES = 2 * 2**30
"""Bytes of address space: DuckDB counts its buffers, and not what becomes of one value."""
_BUSY_SECONDS = 1.0
"""How long another program's lock on the file is waited for."""
_AT_ONCE = 64
"""Rows that are fetched at once."""
SETTINGS: Mapping[str, str] = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "memory_limit": _MEMORY,
    "threads": "2",
    "lock_configuration": "true",
}

Ask = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Sends a frame and returns the next one."""


class Worker:
    """One call after the other, until the gateway closes the input."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink
        self._parser: Any = None

    def serve(self) -> None:
        """Answer frames until there are no more."""
        while (asked := self._next()) is not None:
            try:
                self._tell(self._done(asked))
            except TooLarge:
                self._tell({"error": "TooLarge"})
            except (
                duckdb.Error,
                ArithmeticError,
                ValueError,
                TypeError,
                RecursionError,
                MemoryError,
                OSError,
            ) as error:
                # of an error only its class: its text holds values
                self._tell({"error": type(error).__name__, "kinds": [one.__name__ for one in type(error).__mro__]})

    def _done(self, asked: Mapping[str, Any]) -> Any:
        if asked["do"] == "look":
            if self._parser is None:
                self._parser = duckdb.connect(config=dict(SETTINGS))
            return reach_of(duckdb, self._parser, asked["sql"])._asdict()
        if asked["do"] == "ping":
            with self._opened(asked, time.monotonic() + asked["seconds"]):
                return {}
        return self._ran(asked)

    def _ran(self, asked: Mapping[str, Any]) -> Any:
        ends = time.monotonic() + asked["seconds"]
        with self._opened(asked, ends) as connection:
            alarm = threading.Timer(max(0.0, ends - time.monotonic()), connection.interrupt)
            alarm.daemon = True
            alarm.start()
            try:
                if asked["writes"]:
                    connection.execute("BEGIN TRANSACTION")
                rows = rows_of(*_asked(connection, asked), Caps(asked["rows"], asked["size"]))
            finally:
                alarm.cancel()
            if asked["writes"]:
                self._tell({"ready": True})
                if self._next() is None:
                    return {}
                connection.execute("COMMIT")
            return rows._asdict()

    @contextmanager
    def _opened(self, asked: Mapping[str, Any], ends: float) -> Iterator[Any]:
        path = asked["path"]
        if os.path.islink(f"{path}.wal"):
            raise OSError("its log is a link")
        connection = _connected(path, not asked["writes"], min(ends, time.monotonic() + _BUSY_SECONDS))
        try:
            status = os.lstat(path)
            if [str(status.st_dev), str(status.st_ino)] != asked["identity"]:
                raise OSError("exchanged")
            yield connection
        finally:
            connection.close()

    def _tell(self, content: Any) -> None:
        self._sink.write(frame(content))
        self._sink.flush()

    def _next(self) -> Any:
        head = self._source.read(HEAD.size)
        if len(head) < HEAD.size:
            return None
        return strict_json.read(self._source.read(*HEAD.unpack(head)))


def _connected(path: str, read_only: bool, until: float) -> Any:
    while True:
        try:
            return duckdb.connect(path, read_only=read_only, config=dict(SETTINGS))
        except duckdb.IOException:
            if time.monotonic() >= until:
                raise
            time.sleep(0.05)


def _asked(connection: Any, asked: Mapping[str, Any]) -> tuple[Sequence[str], Iterator[Sequence[Any]]]:
    """Return the names of the columns, and the rows as they are fetched."""
    connection.execute(asked["sql"], [unpacked(one) for one in asked["values"]])

    def rows() -> Iterator[Sequence[Any]]:
        while found := connection.fetchmany(_AT_ONCE):
            yield from found

    return [column[0] for column in connection.description or ()], rows()


def main() -> None:
    """Serve the gateway at the other end of the standard streams."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Worker(sys.stdin.buffer, sys.stdout.buffer).serve()


if __name__ == "__main__":
    main()

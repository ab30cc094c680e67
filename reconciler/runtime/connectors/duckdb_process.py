"""The gateway's end of a process that runs DuckDB: started with nothing of this one's environment, asked, killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio import subprocess
from collections.abc import Mapping
from typing import Any

from reconciler import strict_json
from reconciler.runtime.call import Failed
from reconciler.runtime.connectors.duckdb_frames import HEAD, frame
from reconciler.runtime.connectors.sql_common import too_large
from reconciler.runtime.threads import aside

_MODULE = "reconciler.runtime.connectors.duckdb_worker"


class Process:
    """A process and its streams; ``busy`` between a question and the whole of its answer."""

    def __init__(self, process: subprocess.Process, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        self._process, self._source, self._sink = process, source, sink
        self.busy = False

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    async def end(self) -> None:
        """Kill the process, and wait until it is gone."""
        self._sink.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def ask(self, content: Mapping[str, Any], most: int) -> Any:
        """Return the answer to a question, of so many bytes at most. Raises Failed where the process has ended."""
        self.busy = True
        try:
            self._sink.write(frame(content))
            await self._sink.drain()
            (length,) = HEAD.unpack(await self._source.readexactly(HEAD.size))
            if length > most:
                raise too_large()
            reply = await aside(length, strict_json.read, await self._source.readexactly(length))
        except (asyncio.IncompleteReadError, OSError):
            raise Failed("connection-lost", "the process of the database ended") from None
        self.busy = False
        return reply


async def started() -> Process:
    """Return a new process. Raises Failed."""
    # of the environment only where Python finds this program: no proxies, no keys, no home
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TZ": "UTC", "HOME": "/nonexistent"}
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-s", "-m", _MODULE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd="/",
            process_group=0,  # of this session: it is no stray of a server of MCP (runtime/mcp/processes.py)
        )
    except OSError:
        raise Failed("unreachable", "the process of the database can't be started") from None
    if process.stdout is None or process.stdin is None:
        raise AssertionError
    return Process(process, process.stdout, process.stdin)

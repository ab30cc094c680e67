"""The least that a Python server could spend on the statement: uvicorn's parser in C, uvloop, one statement, JSON. Nothing is checked,
bounded or recorded.

    python -m benchmarks.bare sqlite FILE PORT
    python -m benchmarks.bare postgresql URL PORT

Run by `python -m benchmarks.serve`: what these rows cost is a floor for a governed call, which does the same and more.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import psutil

Fetch = Callable[[int], Awaitable[Any]]
SQL = "SELECT id, total FROM orders WHERE id = {}"
HEAD = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
PORT = 18769


def measured(sources: Mapping[str, str], env: Mapping[str, str], calls: int) -> list[str]:
    """Return a row of the table for each dialect; ``sources`` are files and URLs."""
    from benchmarks.serve import load, ready, table

    rows = []
    for dialect, source in sources.items():
        command = [sys.executable, "-m", "benchmarks.bare", dialect, source, str(PORT)]
        process = subprocess.Popen(command, cwd=Path(__file__).resolve().parent.parent, env=dict(env))
        try:
            asyncio.run(ready(PORT, process))
            work = partial(load, HEAD.encode(), lambda number: json.dumps({"id": number % 1000}).encode(), port=PORT)
            rows.append(table(f"bare uvicorn, {dialect} over HTTP", psutil.Process(process.pid), work, calls))
        finally:
            process.terminate()
            process.wait(20)
    return rows


def _sqlite(file: str) -> Fetch:
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None)
    connection.row_factory = sqlite3.Row

    async def fetch(number: int) -> Any:
        return [dict(row) for row in connection.execute(SQL.format("?"), (number,))]

    return fetch


def _postgresql(url: str) -> Fetch:
    import asyncpg  # type: ignore[import-untyped]

    pool: Any = None

    async def fetch(number: int) -> Any:
        nonlocal pool
        if pool is None:
            pool = asyncpg.create_pool(url, min_size=0, max_size=16)
        return [dict(row) for row in await (await pool).fetch(SQL.format("$1"), number)]

    return fetch


def _app(fetch: Fetch) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = json.loads((await receive())["body"])
        answer = json.dumps(await fetch(body["id"])).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


def main() -> None:
    import uvicorn

    _, dialect, source, port = sys.argv
    fetch = {"sqlite": _sqlite, "postgresql": _postgresql}[dialect](source)
    uvicorn.run(_app(fetch), port=int(port), log_level="error", access_log=False, lifespan="off", http="httptools")


if __name__ == "__main__":
    main()

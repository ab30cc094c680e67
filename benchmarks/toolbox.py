"""What the same statement costs through MCP Toolbox for Databases, which here checks nobody, limits nothing and records nothing: a floor, not the same work.

Run by `python -m benchmarks.serve`. The binary is what RECONCILER_BENCH_TOOLBOX names, else `toolbox` on PATH; it comes
with `npm install @toolbox-sdk/server@1.12.0`. Traffic stays on loopback and in a Unix socket; its telemetry and the look
for a newer version are off. It is measured twice: with the log that it writes by default, a line or two a request, and without.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil

from benchmarks.serve import AGENTS, WAYS, Agent, load, ready, table

FLAGS = ("--enable-api", "--disable-version-check", "--disable-reload")
LOGS = {"its own log": [], "no log": ["--log-level", "WARN"]}
NOTE = (
    "MCP Toolbox has no authentication, policies, limits or durable evidence in this set-up: "
    "its figures are a floor and not the same work."
)


def binary() -> str | None:
    """None where it is not there."""
    return os.environ.get("RECONCILER_BENCH_TOOLBOX") or shutil.which("toolbox")


def sqlite(database: Path) -> dict[str, object]:
    return {"type": "sqlite", "database": str(database)}


def postgresql(folder: Path, user: str) -> dict[str, object]:
    """By way of the Unix socket in the folder, with as many connections as the governed runtime has."""
    parameters = {"host": str(folder), "sslmode": "disable", "pool_max_conns": str(AGENTS)}
    dialled = {"host": "127.0.0.1", "port": "5432", "database": "postgres", "user": user, "password": "none"}
    return {"type": "postgres", **dialled, "queryParams": parameters}


def measured(folder: Path, sources: dict[str, dict[str, object]], calls: int) -> list[str]:
    """Rows of the table; one that says so where the binary, or something in it, is not there."""
    found = binary()
    if found is None:
        return [_without("MCP Toolbox: skipped, not installed here")]
    told = subprocess.run([found, "--help"], check=True, capture_output=True, text=True).stdout
    flags = [flag for flag in FLAGS if flag in told]
    version = subprocess.run([found, "--version"], check=True, capture_output=True, text=True).stdout
    name = f"MCP Toolbox {(re.findall(r'[0-9][0-9.]*', version) or ['?'])[0]}"
    rows = []
    for dialect, source in sources.items():
        if f"'{source['type']}'" not in told:
            rows.append(_without(f"{name}: skipped, it has no source for {dialect}"))
            continue
        for log in LOGS:
            place = folder / f"toolbox-{dialect}-{log}"
            place.mkdir()
            _configured(place, source)
            rows += _rows(f"{name}, {log}, {dialect}", [found, *flags, *LOGS[log]], place, calls)
    return [*rows, "", NOTE]


def _rows(name: str, command: list[str], place: Path, calls: int) -> list[str]:
    with _served(command, place) as (server, port, started):
        rows = [f"| {name}: cold start | {started:.1f} s | | | | {server.memory_info().rss / 2**20:.0f} |"]
        for way, (head, body) in ((way, make("")) for way, make in {**WAYS, "HTTP": _http}.items()):
            if refused := asyncio.run(_refused(head, body, port)):
                rows.append(_without(f"{name} over {way}: skipped, it answered {refused}"))
            else:
                rows.append(table(f"{name} over {way}", server, partial(load, head, body, port=port), calls))
    return rows


def _without(reason: str) -> str:
    return f"| {reason} | | | | | |"


def _http(_: str) -> tuple[bytes, Callable[[int], bytes]]:
    head = (
        "POST /api/tool/order/invoke HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
    )
    return head.encode(), lambda number: json.dumps({"id": number % 1000}).encode()


async def _refused(head: bytes, body: Callable[[int], bytes], port: int) -> str | None:
    """What it says instead of the row asked for. An error of a tool is a 200 too."""
    one = Agent(head, port)
    await one.open()
    try:
        answer = await one.ask(body(999))
    except RuntimeError as refusal:
        return str(refusal).replace("|", "/")
    finally:
        one.close()
    return None if b"6993" in answer else answer[:300].decode(errors="replace").replace("|", "/")


def _configured(place: Path, source: dict[str, object]) -> None:
    """Each document is JSON, which is YAML."""
    parameter = "$1" if source["type"] == "postgres" else "?"
    tool = {
        "kind": "tool",
        "name": "order",
        "type": f"{source['type']}-sql",
        "source": "shop",
        "description": "One order.",
        "statement": f"SELECT id, total FROM orders WHERE id = {parameter}",
        "parameters": [{"name": "id", "type": "integer", "description": "Which."}],
    }
    documents = ({"kind": "source", "name": "shop", **source}, tool)
    (place / "tools.yaml").write_text("\n---\n".join(json.dumps(document) for document in documents))


@contextmanager
def _served(command: list[str], place: Path) -> Iterator[tuple[psutil.Process, int, float]]:
    """The process that serves, its port and the seconds until that was open."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command += ["--config", "tools.yaml", "--address", "127.0.0.1", "--port", str(port)]
    env = {"PATH": os.environ.get("PATH", ""), "HOME": str(place)}  # and so nothing that would turn telemetry on
    with (place / "log").open("wb") as log:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=place, env=env, stdout=log, stderr=log)
    try:
        try:
            asyncio.run(ready(port, process))
        except RuntimeError as failed:
            raise RuntimeError(f"MCP Toolbox: {failed}: {(place / 'log').read_text()[-500:]}") from None
        started = time.perf_counter() - begun
        yield _serving(process), port, started
    finally:
        if process.poll() is None:
            _serving(process).terminate()
            process.wait(20)


def _serving(process: subprocess.Popen[bytes]) -> psutil.Process:
    """npm's `toolbox` is a script of Node.js that starts the binary and ends with it."""
    started = psutil.Process(process.pid)
    return next(iter(started.children()), started)

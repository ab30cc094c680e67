"""`serve` with an OTLP receiver of our own: spans, metrics and evidence of real calls, and what a bad collector may not do."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Db
from tests.runtime.mcp.support import around, listed_by, over_http, pinned, serving_sdk
from tests.runtime.otlp import Collector, attributes, collecting
from tests.runtime.servers import Served, served, world_with_data

TRACES = [f"{number:032x}" for number in range(0xA1, 0xA5)]
PARENT = "00f067aa0ba902b7"
VALUE, MADE_UP = "value-of-a-caller", "name-that-an-agent-made-up"
SERVER = str(Path(__file__).parent / "mcp" / "tracing_server.py")


def traceparent(trace: str) -> str:
    return f"00-{trace}-{PARENT}-01"


@contextmanager
def api() -> Iterator[tuple[int, list[dict[str, str]]]]:
    """Yield the port of an HTTP API, and the headers of each request that it got."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_address[1], seen
    finally:
        server.shutdown()
        server.server_close()


def document(folder: Path, api_port: int, mcp_port: int) -> dict[str, Any]:
    found = world_with_data(folder)
    web = over_http(mcp_port)
    found["connectors"]["web"] = pinned(web, asyncio.run(listed_by(web, around())))
    found["connectors"]["crm"] = {
        "type": "http",
        "base_url": f"http://127.0.0.1:{api_port}/v1",
        "allowed_methods": ["GET"],
        "network_exceptions": [{"cidr": "127.0.0.0/8", "port": api_port}],
    }
    found["datasources"]["crm"] = {"type": "api", "connector": "crm", "classification": "internal"}
    found["templates"]["customer"] = {
        "type": "http",
        "datasource": "crm",
        "method": "GET",
        "path": "/customers/{id}",
        "parameters": {"id": {"type": "string", "max_length": 40}},
    }
    found["policies"]["read"]["targets"] = {"names": ["template/*", "tool/*"]}
    return found


def posted(server: Served, path: str, body: Any, trace: str = "") -> Any:
    headers = {"traceparent": traceparent(trace)} if trace else {}
    with server.client(headers=headers) as client:
        return client.post(path, json=body)


def called(server: Served, tool: str, arguments: Any, trace: str) -> Any:
    params = {"name": tool, "arguments": arguments, "_meta": {"traceparent": traceparent(trace)}}
    return posted(server, "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).json()


def stopped(server: Served, within: float) -> None:
    began = time.monotonic()
    os.killpg(server.process.pid, signal.SIGTERM)
    assert server.process.wait(30) == 0
    assert time.monotonic() - began < within


@pytest.fixture
def sqlite(folder: Path, tmp_path: Path) -> Db:
    return Db(f"sqlite:///{tmp_path}/state.db")


def test_a_call_is_one_trace_from_the_agent_to_what_it_reaches(sqlite: Db, folder: Path) -> None:
    with collecting() as collector, api() as (api_port, requests), serving_sdk(server=SERVER) as mcp_port:
        made = document(folder, api_port, mcp_port)
        environment = {**collector.environment, "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
        with served(folder, sqlite, made, environment) as server:
            assert posted(server, "/v1/tools/top/call", {"arguments": {"region": VALUE}}, TRACES[0]).status_code == 200
            assert posted(server, "/v1/tools/customer/call", {"arguments": {"id": VALUE}}, TRACES[1]).status_code == 200
            answer = called(server, "web__seen", {"text": VALUE}, TRACES[2])["result"]["structuredContent"]
            assert called(server, MADE_UP, {}, TRACES[3])["error"]["code"] == -32602
            evidence = {one["target"]: one["trace"] for one in server.evidence() if one.get("trace")}
            tenant_metrics = collector.until("tools/call web__seen") and server.metrics()
            key = server.key
            stopped(server, 8)
        texts = " ".join(map(str, collector.requests))
    seen(collector, requests, answer)
    assert evidence == {"template/top": TRACES[0], "template/customer": TRACES[1], "tool/web/seen": TRACES[2]}
    for secret in (VALUE, MADE_UP, key, key.rpartition("_")[2]):
        assert secret not in texts, secret
    assert tenant_metrics["reconciler_calls_total", "success"] == 3
    counted(collector)


def seen(collector: Collector, requests: list[dict[str, str]], answer: dict[str, str]) -> None:
    """Hold the spans of each call, and what went out of it, to one trace."""
    spans = {span.trace_id.hex(): [] for span in collector.all_spans}  # type: ignore[var-annotated]
    for span in collector.all_spans:
        spans[span.trace_id.hex()].append(span)
    assert sorted(spans) == TRACES
    sql, http, tool, unknown = (sorted(spans[trace], key=lambda span: span.kind) for trace in TRACES)
    assert [(one.name, one.kind) for one in sql] == [("POST /v1/tools/{name}/call", 2), ("sqlite", 3)]
    assert [(one.name, one.kind) for one in http] == [("POST /v1/tools/{name}/call", 2), ("GET", 3)]
    assert [one.name for one in tool][:1] == ["tools/call web__seen"]
    assert sorted(one.name for one in tool[1:]) == ["tools/call seen", "tools/list"]
    assert [one.name for one in unknown] == ["tools/call"]
    for server, *clients in (sql, http, tool):
        assert server.parent_span_id.hex() == PARENT
        assert {client.parent_span_id for client in clients} == {server.span_id}
    assert requests[0]["traceparent"] == f"00-{TRACES[1]}-{http[1].span_id.hex()}-01"
    client = next(one for one in tool if one.name == "tools/call seen")
    assert answer == dict.fromkeys(("meta", "header"), f"00-{TRACES[2]}-{client.span_id.hex()}-01")
    found = attributes(tool[0])
    assert {
        "mcp.method.name": "tools/call",
        "gen_ai.tool.name": "web__seen",
        "gen_ai.operation.name": "execute_tool",
        "network.transport": "tcp",
        "reconciler.target": "tool/web/seen",
        "reconciler.tenant": "acme",
        "reconciler.caller": "bot",
        "reconciler.policy": "policy/read",
        "reconciler.outcome": "success",
    }.items() <= found.items()
    assert re.fullmatch("[0-9a-f]{32}", found["reconciler.evidence.id"])
    assert attributes(http[1]) == {
        "http.request.method": "GET",
        "url.template": "/customers/{id}",
        "server.address": "127.0.0.1",
        "server.port": attributes(http[1])["server.port"],
        "http.response.status_code": 200,
    }
    refused = attributes(unknown[0])
    assert (refused["error.type"], refused["reconciler.code"]) == ("-32602", "unknown-target")
    assert unknown[0].status.code == 2
    assert collector.resource["service.name"] == "reconciler"
    assert collector.resource["deployment.environment.name"] == "test"


def counted(collector: Collector) -> None:
    """Hold the exported metrics to what was called."""
    metrics = collector.metrics
    histograms = {
        name: {tuple(sorted(attributes(point).items())): point.count for point in metric.histogram.data_points}
        for name, metric in metrics.items()
        if metric.WhichOneof("data") == "histogram"
    }
    assert sum(histograms["http.server.request.duration"].values()) == 2
    assert sum(histograms["mcp.server.operation.duration"].values()) == 2
    assert sum(histograms["mcp.client.operation.duration"].values()) == 2
    assert sum(histograms["http.client.request.duration"].values()) == 1
    labels = (("reconciler.outcome", "success"), ("reconciler.target.type", "tool"))
    assert histograms["reconciler.call.duration"][labels] == 1
    (calls,) = (
        point.as_double or point.as_int
        for point in metrics["reconciler_calls"].sum.data_points
        if attributes(point) == {"outcome": "success"}
    )
    assert calls == 3
    assert metrics["reconciler_snapshot_fresh"].gauge.data_points


def quick(server: Served) -> float:
    """Return the median duration of some calls, in seconds."""
    took = []
    for _ in range(20):
        began = time.perf_counter()
        assert server.call("top", region="eu").status_code == 200
        took.append(time.perf_counter() - began)
    return statistics.median(took)


@pytest.mark.parametrize("fault", ["hangs", "refuses", "is dead"])
def test_a_bad_collector_slows_no_call_and_keeps_no_server_from_ending(sqlite: Db, folder: Path, fault: str) -> None:
    with collecting(503 if fault == "refuses" else 200, fault == "hangs") as collector:
        environment = dict(collector.environment)
        if fault == "is dead":
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{free.getsockname()[1]}"
        with served(folder, sqlite, env=environment) as server:
            assert quick(server) < 1
            stopped(server, 8)
            log = server.log.read_text()
    assert "Traceback" not in log
    assert fault == "hangs" or "the collector can't be reached, or does not take it" in log


def test_without_otel_variables_a_trace_is_neither_taken_nor_passed_on(sqlite: Db, folder: Path) -> None:
    with api() as (port, requests), serving_sdk(server=SERVER) as mcp_port:
        with served(folder, sqlite, document(folder, port, mcp_port)) as server:
            assert posted(server, "/v1/tools/customer/call", {"arguments": {"id": "1"}}, TRACES[0]).status_code == 200
            answer = called(server, "web__seen", {"text": ""}, TRACES[1])["result"]["structuredContent"]
            assert {one["trace"] for one in server.evidence()} == {""}
        assert answer == {"meta": "", "header": ""}
        assert "traceparent" not in requests[0]

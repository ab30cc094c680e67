"""A receiver of OTLP over HTTP on loopback, which may be slow or refuse; and a port at which nobody listens."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """What it was sent. ``answer`` is its status; while it ``hangs`` nobody is answered."""

    def __init__(self, answer: int = 200, hangs: bool = False) -> None:
        self.answer, self.hangs = answer, hangs
        self.requests: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.ends = threading.Event()
        self.url = ""

    @property
    def spans(self) -> dict[str, Any]:
        """Spans by their names; one name is one span in a test."""
        return {one.name: one for one in self.all_spans}

    @property
    def all_spans(self) -> list[Any]:
        found = [one for one in self.requests if isinstance(one, ExportTraceServiceRequest)]
        return [
            span
            for request in found
            for of_resource in request.resource_spans
            for of_scope in of_resource.scope_spans
            for span in of_scope.spans
        ]

    @property
    def metrics(self) -> dict[str, Any]:
        """Metrics by their names, as they were exported last."""
        found = [one for one in self.requests if isinstance(one, ExportMetricsServiceRequest)]
        return {
            metric.name: metric
            for request in found
            for of_resource in request.resource_metrics
            for of_scope in of_resource.scope_metrics
            for metric in of_scope.metrics
        }

    @property
    def resource(self) -> dict[str, Any]:
        found = next(one for one in self.requests if isinstance(one, ExportTraceServiceRequest))
        return attributes(found.resource_spans[0].resource)

    def until(self, name: str, seconds: float = 10) -> Any:
        """Return the span of a name, once it has come."""
        ends = time.monotonic() + seconds
        while name not in self.spans:
            assert time.monotonic() < ends, sorted(self.spans)
            time.sleep(0.05)
        return self.spans[name]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
        }


def attributes(of: Any) -> dict[str, Any]:
    """Return the attributes of a span, a resource or a data point."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}


@contextmanager
def collecting(answer: int = 200, hangs: bool = False) -> Iterator[Collector]:
    collector = Collector(answer, hangs)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if collector.hangs:
                collector.ends.wait(60)
                return
            kind = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}[self.path]
            collector.requests.append(kind.FromString(body))
            collector.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(collector.answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.ends.set()
        server.shutdown()
        server.server_close()

"""Traces and metrics by OpenTelemetry's SDK, exported by OTLP over HTTP. Imported where the environment asks for it alone.

Names: the semantic conventions of OpenTelemetry for HTTP (1.41), and for MCP and GenAI (of 2026), and `reconciler.*` beside them.
Requests only add to queues; threads of the SDK export what is in them, and drop what a slow collector leaves there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from reconciler import __version__
from reconciler.runtime.logs import Trouble
from reconciler.runtime.tracing import (
    CALL_SECONDS,
    METHOD,
    NOTHING,
    OPERATION,
    TOKENS,
    TOOL,
    TRACEPARENT,
    Attributes,
    Sort,
)
from reconciler.runtime.tracing_settings import Signals

log = logging.getLogger("reconciler.runtime")
SCOPE = "reconciler"
Families = Callable[[], Iterable[Any]]
"""Returns the metrics of a scrape, as prometheus-client has them."""
_PROPAGATOR = TraceContextTextMapPropagator()
ERROR = "error.type"
_CALL_BOUNDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
_MODEL_BOUNDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_HTTP_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_TOKEN_BOUNDS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
_MCP_LABELS = frozenset({METHOD, TOOL, OPERATION, "mcp.protocol.version", "network.transport"})
_HTTP_LABELS = frozenset({"http.request.method", "http.route", "http.response.status_code", "url.scheme"})
_REACHED = frozenset({"server.address", "server.port"})
_MODEL_LABELS = frozenset({OPERATION, "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model"})


class _Sorted(NamedTuple):
    """What a sort of spans is to OpenTelemetry; ``labels`` are those attributes that its histogram of durations has."""

    kind: SpanKind
    metric: str
    labels: frozenset[str]
    bounds: tuple[float, ...]


_SORTS: Mapping[Sort, _Sorted] = {
    "http-server": _Sorted(SpanKind.SERVER, "http.server.request.duration", _HTTP_LABELS, _HTTP_BOUNDS),
    "mcp-server": _Sorted(SpanKind.SERVER, "mcp.server.operation.duration", _MCP_LABELS, _CALL_BOUNDS),
    "http-client": _Sorted(
        SpanKind.CLIENT, "http.client.request.duration", (_HTTP_LABELS - {"http.route"}) | _REACHED, _HTTP_BOUNDS
    ),
    "mcp-client": _Sorted(SpanKind.CLIENT, "mcp.client.operation.duration", _MCP_LABELS | _REACHED, _CALL_BOUNDS),
    "database": _Sorted(
        SpanKind.CLIENT,
        "db.client.operation.duration",
        frozenset({"db.system.name"}),
        (0.001, 0.005, *_HTTP_BOUNDS[1:]),
    ),
    "model": _Sorted(SpanKind.CLIENT, "gen_ai.client.operation.duration", _MODEL_LABELS | _REACHED, _MODEL_BOUNDS),
}
_OTHERS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    CALL_SECONDS: ("s", _CALL_BOUNDS),
    TOKENS: ("{token}", _TOKEN_BOUNDS),
}


class _Span:
    """A span of the SDK with the labels of its metric."""

    __slots__ = ("_begun", "_labels", "_made", "_name", "_sort", "_span")

    def __init__(self, made: Otel, sort: _Sorted, name: str, parent: Context, attributes: Attributes) -> None:
        self._made, self._sort, self._name = made, sort, name
        self._begun = time.perf_counter()
        self._span = made.tracer.start_span(name, parent, sort.kind, attributes)
        self._labels = _chosen(sort.labels, attributes)
        self._name_tool()

    @property
    def trace(self) -> str:
        return format(self._span.get_span_context().trace_id, "032x")

    @property
    def carried(self) -> Mapping[str, str]:
        if not self._made.propagates:
            return NOTHING
        own = self._span.get_span_context()
        return {TRACEPARENT: f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"}

    def part(self, sort: Sort, name: str, attributes: Attributes) -> _Span:
        return _Span(self._made, _SORTS[sort], name, set_span_in_context(self._span, Context()), attributes)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)
        self._labels.update(_chosen(self._sort.labels, attributes))
        if TOOL in attributes:
            self._name_tool()

    def _name_tool(self) -> None:
        if METHOD in self._labels and TOOL in self._labels:
            self._span.update_name(f"{self._name} {self._labels[TOOL]}")

    def observe(self, metric: str, value: float, labels: Attributes) -> None:
        self._made.histograms[metric].record(value, labels)

    def end(self, error: str = "") -> None:
        if error:
            self._span.set_attribute(ERROR, error)
            self._span.set_status(Status(StatusCode.ERROR))
            self._labels[ERROR] = error
        self._span.end()
        self.observe(self._sort.metric, time.perf_counter() - self._begun, self._labels)


def _chosen(names: frozenset[str], attributes: Attributes) -> dict[str, str | int | bool]:
    return {name: value for name, value in attributes.items() if name in names}


class Otel:
    """A tracer, the histograms beside it, and the threads of the SDK that export both."""

    def __init__(self, signals: Signals) -> None:
        self._reports = _Reports()
        resource = _resource()
        self.propagates = signals.propagates
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        if signals.traces:
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        readers = [PeriodicExportingMetricReader(OTLPMetricExporter())] if signals.metrics else []
        self._metrics = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
        self.tracer = self._provider.get_tracer(SCOPE, __version__)
        self._meter = self._metrics.get_meter(SCOPE, __version__)
        self.histograms = _histograms(self._meter)

    def request(self, sort: Sort, name: str, traceparent: str, attributes: Attributes) -> _Span:
        parent = Context()
        if traceparent and self.propagates:
            parent = _PROPAGATOR.extract({TRACEPARENT: traceparent}, parent)
        return _Span(self, _SORTS[sort], name, parent, attributes)

    def watch(self, families: Families) -> None:
        """Export counters and gauges of a scrape as well, by the names and labels that they have there."""
        for one in families():
            if one.type == "counter":
                self._meter.create_observable_counter(one.name, [_reading(families, one.name)], "", one.documentation)
            elif one.type == "gauge":
                self._meter.create_observable_gauge(one.name, [_reading(families, one.name)], "", one.documentation)

    def close(self, seconds: float) -> None:
        """Export what is left, within so many seconds; what a collector has not taken by then is lost."""
        threads = [
            threading.Thread(target=one, daemon=True) for one in (self._provider.shutdown, self._metrics.shutdown)
        ]
        for thread in threads:
            thread.start()
        ends = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, ends - time.monotonic()))
        self._reports.end()


def _resource() -> Resource:
    """Return what this process is called: what the environment says goes before our own names."""
    own = {"service.name": SCOPE, "service.version": __version__, "service.instance.id": str(uuid4())}
    return Resource.create(own).merge(OTELResourceDetector().detect())


def _histograms(meter: Meter) -> Mapping[str, Histogram]:
    named = {one.metric: ("s", one.bounds) for one in _SORTS.values()}
    return {
        name: meter.create_histogram(name, unit, explicit_bucket_boundaries_advisory=bounds)
        for name, (unit, bounds) in {**named, **_OTHERS}.items()
    }


def _reading(families: Families, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """Return what reads the samples of one counter or gauge of a scrape."""

    def read(_options: CallbackOptions) -> Iterable[Observation]:
        found = next(one for one in families() if one.name == name)
        return [Observation(float(sample.value), sample.labels) for sample in found.samples]

    return read


class _Reports(logging.Handler):
    """Takes what the SDK logs, which may quote headers and answers of a collector, and says in our words that it is in trouble."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._trouble = Trouble(log, "telemetry is not exported as it should be: %s")
        self._logger = logging.getLogger("opentelemetry")
        self._propagated = self._logger.propagate
        self._logger.propagate = False
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        template = str(record.msg)
        if template.startswith("Queue full"):
            self._trouble.occurs("the collector is too slow, so spans are dropped")
        elif record.name.startswith("opentelemetry.exporter") and "export" in template:
            self._trouble.occurs("the collector can't be reached, or does not take it")
        else:
            self._trouble.occurs(f"{record.name} reports {template!r}")

    def end(self) -> None:
        """Leave the SDK's logger as it was."""
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated

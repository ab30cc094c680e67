"""The seam of spans, the environment that decides about it, and what the SDK's threads may cost a call."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reconciler.access.resource import Resource
from reconciler.model.address import Address
from reconciler.model.known import Known
from reconciler.runtime import tracing_settings
from reconciler.runtime.call import Failed
from reconciler.runtime.llm.request import Deployment, Usage
from reconciler.runtime.surfaces.traced import Traced
from reconciler.runtime.tracing import CURRENT, UNTRACED, Part, part
from reconciler.runtime.tracing_model import model_call, used
from reconciler.runtime.tracing_otel import Otel
from reconciler.runtime.tracing_settings import Signals, signals_of, started
from tests.conftest import ROOT, command_environment
from tests.runtime.otlp import Collector, attributes, collecting

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
BOTH = Signals(traces=True, metrics=True, propagates=True)


@contextmanager
def otel(monkeypatch: pytest.MonkeyPatch, hangs: bool = False, **more: str) -> Iterator[tuple[Otel, Collector]]:
    with collecting(hangs=hangs) as collector:
        environment = {**collector.environment, **more}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        made = started(environment)
        assert made is not None
        try:
            yield made, collector
        finally:
            made.close(0.5)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_EXPORTER_OTLP_HEADERS": "a=b"}, None),
        (ENDPOINT, BOTH),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "True"}, None),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, BOTH._replace(traces=False)),
        ({**ENDPOINT, "OTEL_METRICS_EXPORTER": "prometheus"}, BOTH._replace(metrics=False)),
        ({**ENDPOINT, "OTEL_PROPAGATORS": "baggage,b3"}, BOTH._replace(propagates=False)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, BOTH._replace(metrics=False)),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, BOTH._replace(traces=False)),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, None),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, BOTH._replace(traces=False)),
    ],
)
def test_the_environment_decides(environment: dict[str, str], expected: Signals | None) -> None:
    assert signals_of(environment) == expected


def test_without_the_extra_a_warning_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "reconciler.runtime.tracing_otel", None)
    assert tracing_settings.started(ENDPOINT) is None
    assert "config-reconciler[otel]" in caplog.text


def test_variables_that_cannot_be_used_keep_nobody_from_serving(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1")
    assert started(ENDPOINT) is None
    assert "nothing is exported: max_export_batch_size" in caplog.text


def test_nothing_of_opentelemetry_is_imported_without_its_variables() -> None:
    script = (
        "import sys; import reconciler.runtime.serve; from reconciler.runtime.tracing_settings import started; "
        "assert started({}) is None; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    environment = command_environment({"PYTHONPATH": str(ROOT)})
    assert subprocess.run([sys.executable, "-c", script], env=environment).returncode == 0


def test_without_a_trace_a_part_is_nothing() -> None:
    """Attributes are not even made."""

    def made() -> Any:
        raise AssertionError

    with part("http-client", "GET", made) as one:
        assert one is UNTRACED
        headers = {"Accept": "x"}
        assert one.beside(headers) is headers
        one.fail("500")
        assert CURRENT.get() is None


@pytest.mark.parametrize(
    "given",
    [
        "",
        "x",
        f"00-{TRACE}-{PARENT}",
        f"00-{'0' * 32}-{PARENT}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
    ],
)
def test_an_unusable_traceparent_begins_a_trace(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    with otel(monkeypatch) as (made, _):
        span = made.request("mcp-server", "tools/call", given, {})
        assert span.trace != TRACE
        assert len(span.trace) == 32


def test_sampling_goes_by_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was not sampled keeps its id, so that evidence and what is reached know it."""
    with otel(monkeypatch) as (made, collector):
        span = made.request("http-server", "GET", f"00-{TRACE}-{PARENT}-00", {})
        assert span.carried["traceparent"].endswith("-00")
        assert span.trace == TRACE
        span.end()
        made.request("http-server", "POST", f"00-{TRACE}-{PARENT}-01", {}).end()
        assert collector.until("POST").trace_id.hex() == TRACE
        assert "GET" not in collector.spans


def test_without_its_propagator_nothing_is_taken_or_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with otel(monkeypatch, OTEL_PROPAGATORS="none") as (made, _):
        span = made.request("http-server", "GET", f"00-{TRACE}-{PARENT}-01", {})
        assert (span.trace != TRACE, dict(span.carried)) == (True, {})


def failing(made: Otel) -> None:
    with Part(made.request("http-server", "GET", "", {})):
        with part("mcp-client", "tools/call") as one:
            one.fail("tool_error")
        with part("http-client", "POST"):
            raise Failed("unreachable", "secret of the other side")


def test_errors_are_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of an error, which may be another's, is in no span."""
    with otel(monkeypatch) as (made, collector):
        with pytest.raises(Failed):
            failing(made)
        found = {name: attributes(collector.until(name)) for name in ("GET", "POST", "tools/call")}
        assert {name: one["error.type"] for name, one in found.items()} == {
            "GET": "unreachable",
            "POST": "unreachable",
            "tools/call": "tool_error",
        }
        assert "secret" not in str(collector.requests)


def test_a_header_of_a_template_goes_before_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with otel(monkeypatch) as (made, _), Part(made.request("http-server", "GET", "", {})) as one:
        assert one.beside({"Traceparent": "x"}) == {"Traceparent": "x"}
        assert [*one.beside({"a": "b"})] == ["a", "traceparent"]


def test_a_collector_that_hangs_costs_neither_time_nor_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = {"OTEL_BSP_MAX_QUEUE_SIZE": "64", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "64"}
    with otel(monkeypatch, hangs=True, **bounds) as (made, _):
        longest = 0.0
        for _ in range(3000):
            began = time.thread_time()
            made.request("http-server", "GET", "", {}).end()
            longest = max(longest, time.thread_time() - began)
        assert longest < 0.2
        (processor,) = made._provider._active_span_processor._span_processors
        assert len(processor._batch_processor._queue) <= 64  # type: ignore[attr-defined]
        began = time.monotonic()
        made.close(0.5)
        assert time.monotonic() - began < 2


def test_a_model_call_is_a_span_with_its_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"provider": "openai"}
    integration = Resource(Known(Address("acme", "integration", "openai"), "uid", None, "p1", True), body)
    deployment = Deployment(integration, "gpt-5")
    with otel(monkeypatch) as (made, collector):
        request = Part(made.request("http-server", "POST", f"00-{TRACE}-{PARENT}-01", {}))
        with request, model_call("chat", deployment) as tried:
            assert tried.beside({})["traceparent"].startswith(f"00-{TRACE}-")
            used(tried, "chat", deployment, Usage(input=100, cached=40, output=7))
        span = collector.until("chat gpt-5")
        assert (span.kind, span.trace_id.hex()) == (3, TRACE)
        assert attributes(span) == {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-5",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.cache_read.input_tokens": 40,
            "gen_ai.usage.output_tokens": 7,
        }
        made.close(2)
        points = collector.metrics["gen_ai.client.token.usage"].histogram.data_points
        assert {attributes(one)["gen_ai.token.type"]: one.sum for one in points} == {"input": 100, "output": 7}
        assert collector.metrics["gen_ai.client.operation.duration"].histogram.data_points[0].count == 1


def asked(made: Otel, scope: dict[str, Any], status: int) -> None:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})

    async def nothing(*_: Any) -> Any:
        return None

    whole = {"type": "http", "method": "GET", "path": "/v1/tools", "headers": [], "who": "bot", **scope}
    asyncio.run(Traced(app, made)(whole, nothing, nothing))


def test_requests_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a caller makes up is in no name; nobody unproved makes a span; errors are the server's own."""
    with otel(monkeypatch) as (made, collector):
        asked(
            made,
            {"method": "MADEUP", "path": "/v1/x", "headers": [(b"traceparent", f"00-{TRACE}-{PARENT}-01".encode())]},
            404,
        )
        asked(made, {"method": "PUT"}, 503)
        asked(made, {"path": "/mcp/planes/x"}, 200)
        scope = {"type": "http", "method": "DELETE", "path": "/healthz", "headers": []}

        async def nothing(*_: Any) -> Any:
            return None

        asyncio.run(Traced(nothing, made)(scope, nothing, nothing))
        other, failed = collector.until("_OTHER"), collector.until("PUT")
        assert sorted(collector.spans) == ["PUT", "_OTHER"]
        assert (other.trace_id.hex(), other.status.code, "error.type" in attributes(other)) == (TRACE, 0, False)
        assert (attributes(failed)["error.type"], failed.status.code) == ("503", 2)

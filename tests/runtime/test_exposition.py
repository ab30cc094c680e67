"""Metrics as a scrape gets them: names that dashboards and alerts are written against, and histograms that add up."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from reconciler.runtime.exposition import Gauges, exposed
from reconciler.runtime.metrics import Metrics
from tests.runtime.scraped import samples

KINDS = {
    "reconciler_calls": "counter",
    "reconciler_upstream_responses": "counter",
    "reconciler_refused_requests": "counter",
    "reconciler_request_seconds": "histogram",
    "reconciler_call_seconds": "histogram",
    "reconciler_evidence_failures": "counter",
    "reconciler_breakers_open": "gauge",
    "reconciler_breakers_opened": "counter",
    "reconciler_calls_open": "gauge",
    "reconciler_store_bytes": "gauge",
    "reconciler_store_free_bytes": "gauge",
    "reconciler_store_alarm": "gauge",
    "reconciler_snapshot_fresh": "gauge",
}
"""As a Prometheus reads them: the samples of a counter end in `_total`."""


def test_names_and_kinds_stay() -> None:
    families = text_string_to_metric_families(exposed(Metrics()))
    assert {one.name: one.type for one in families} == KINDS


def test_a_scrape_has_what_was_counted() -> None:
    metrics = Metrics()
    metrics.calls["success"] += 3
    metrics.upstream["404"] += 1
    metrics.refused["not-found", "http", 'a"\\\n'] += 2
    metrics.took("http", 204, 0.002)
    metrics.took("http", 503, 0.2)
    metrics.ended("tool", "timeout", 7.0)
    found = samples(exposed(metrics, Gauges(2, True, 5 * 2**40, -1, True, 7, {"acme": 1}, {"acme": 4})))
    assert found["reconciler_calls_total", "success"] == 3
    assert found["reconciler_upstream_responses_total", "404"] == 1
    assert found["reconciler_refused_requests_total", "not-found", "http", 'a"\\\n'] == 2
    assert found["reconciler_request_seconds_sum", "2xx", "http"] == 0.002
    assert found["reconciler_request_seconds_count", "5xx", "http"] == 1
    assert found["reconciler_call_seconds_sum", "timeout", "tool"] == 7.0
    assert found["reconciler_calls_total", "timeout"] == 1
    assert [found[name,] for name in ("reconciler_calls_open", "reconciler_store_bytes")] == [2, 5 * 2**40]
    assert [found[f"reconciler_store_{name}",] for name in ("free_bytes", "alarm")] == [-1, 1]
    assert found["reconciler_snapshot_fresh",] == 1
    assert found["reconciler_evidence_failures_total",] == 7
    assert found["reconciler_breakers_open", "acme"] == 1
    assert found["reconciler_breakers_opened_total", "acme"] == 4


def test_buckets_add_up() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.02, 99.0):
        metrics.took("http", 200, seconds)
    found = [n for name, n in samples(exposed(metrics)).items() if name[0].endswith("_bucket")]
    assert found == [2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4]

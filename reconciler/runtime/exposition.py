"""A server's metrics in Prometheus's text format, written by prometheus-client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, NamedTuple

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from reconciler.runtime.breakers import Breakers
from reconciler.runtime.ledger.ledger import Ledger
from reconciler.runtime.metrics import BUCKETS, Histogram, Metrics
from reconciler.runtime.source import Source

_BOUNDS = (*(f"{bound:g}" for bound in BUCKETS), "+Inf")


class Gauges(NamedTuple):
    """What a scrape reads of the ledger and the snapshot; ``free_bytes`` is -1 where the server can't know it."""

    calls_open: int
    snapshot_fresh: bool
    store_bytes: int
    free_bytes: int
    store_alarm: bool
    evidence_failures: int
    breakers_open: Mapping[str, int] = {}
    """By tenant."""
    breakers_opened: Mapping[str, int] = {}


NO_GAUGES = Gauges(0, False, 0, -1, False, 0)


def gauges_of(ledger: Ledger, source: Source, breakers: Breakers) -> Gauges:
    """Return the gauges of this moment."""
    space = ledger.space
    free = -1 if space.free is None else space.free
    short = ledger.is_short_of_space
    opened = dict(breakers.opened)
    return Gauges(len(ledger.open), source.is_fresh, space.used, free, short, ledger.failures, breakers.open, opened)


def exposed(metrics: Metrics, gauges: Gauges = NO_GAUGES) -> str:
    """Return the text of one scrape."""
    collector: Any = _Collector(metrics, gauges)
    return str(generate_latest(collector), "utf-8")


def families(metrics: Metrics, gauges: Gauges) -> Iterator[Metric]:
    """Yield the same as the library's values, for another format."""
    return _Collector(metrics, gauges).collect()


class _Collector:
    """Asked by the library for ``collect`` alone."""

    def __init__(self, metrics: Metrics, gauges: Gauges) -> None:
        self._metrics, self._gauges = metrics, gauges

    def collect(self) -> Iterator[Metric]:
        """Yield each metric with its samples, in the order in which they are documented."""
        metrics, gauges = self._metrics, self._gauges
        calls = CounterMetricFamily("reconciler_calls_total", "Calls by outcome.", labels=("outcome",))
        for outcome, n in sorted(metrics.calls.items()):
            calls.add_metric((outcome,), n)
        yield calls
        upstream = CounterMetricFamily(
            "reconciler_upstream_responses_total", "Responses of HTTP upstreams by status.", labels=("status",)
        )
        for status, n in sorted(metrics.upstream.items()):
            upstream.add_metric((status,), n)
        yield upstream
        refused = CounterMetricFamily(
            "reconciler_refused_requests_total",
            "Refused requests by code, surface and tenant; the surface `door` refuses before the caller is known.",
            labels=("code", "surface", "tenant"),
        )
        for labels, n in sorted(metrics.refused.items()):
            refused.add_metric(labels, n)
        yield refused
        requests = {(surface, f"{hundreds}xx"): one for (surface, hundreds), one in [*metrics.seconds.items()]}
        text = "Durations of requests by surface and status; streams are not counted."
        yield _seconds("reconciler_request_seconds", text, ("surface", "status"), requests)
        text = "Durations of calls that ran, by type of target and outcome."
        yield _seconds("reconciler_call_seconds", text, ("target", "outcome"), metrics.ran)
        yield CounterMetricFamily(
            "reconciler_evidence_failures_total", "Flushes of evidence that failed.", gauges.evidence_failures
        )
        yield _by_tenant(
            GaugeMetricFamily("reconciler_breakers_open", "Breakers that are open.", labels=("tenant",)),
            gauges.breakers_open,
        )
        yield _by_tenant(
            CounterMetricFamily("reconciler_breakers_opened_total", "Breakers that opened.", labels=("tenant",)),
            gauges.breakers_opened,
        )
        for name, text, value in (
            ("reconciler_calls_open", "Calls that run.", gauges.calls_open),
            ("reconciler_store_bytes", "Size of the runtime's store.", gauges.store_bytes),
            ("reconciler_store_free_bytes", "Free space on the store's disk; -1 if unknown.", gauges.free_bytes),
            (
                "reconciler_store_alarm",
                "1 while the store passes a bound of `alarm` in serve.yaml.",
                gauges.store_alarm,
            ),
            ("reconciler_snapshot_fresh", "1 while the snapshot of live state is fresh.", gauges.snapshot_fresh),
        ):
            yield GaugeMetricFamily(name, text, value)


def _by_tenant(family: GaugeMetricFamily | CounterMetricFamily, found: Mapping[str, int]) -> Metric:
    for tenant, n in sorted(found.items()):
        family.add_metric((tenant,), n)
    return family


def _seconds(name: str, text: str, labels: tuple[str, str], found: Mapping[tuple[str, str], Histogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    for values, histogram in sorted(found.items()):
        counts = zip(_BOUNDS, map(float, accumulate(histogram.counts)), strict=True)
        family.add_metric(values, [*counts], histogram.sum)
    return family

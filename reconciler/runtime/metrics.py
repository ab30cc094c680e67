"""What happened, counted and rendered in Prometheus's text format."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping

CALLS, UPSTREAM = "reconciler_calls_total", "reconciler_upstream_responses_total"
REFUSED, SECONDS = "reconciler_refused_requests_total", "reconciler_request_seconds"
_HELP = {
    CALLS: ("counter", "Calls by how they ended."),
    UPSTREAM: ("counter", "Answers of HTTP upstreams by their status."),
    REFUSED: ("counter", "Requests that were refused, by code, surface and tenant; `door` before anybody is known."),
    SECONDS: ("histogram", "How long requests took, by surface and status; streams are not among them."),
    "reconciler_evidence_failures_total": ("counter", "Flushes of evidence that failed."),
    "reconciler_calls_open": ("gauge", "Calls that are under way."),
    "reconciler_store_bytes": ("gauge", "What the runtime's store takes up."),
    "reconciler_store_free_bytes": ("gauge", "What is left where it lies; -1 where the server can't know."),
    "reconciler_store_alarm": (
        "gauge",
        "1 while the store has more, or less is left, than `alarm` in serve.yaml says.",
    ),
    "reconciler_snapshot_fresh": ("gauge", "1 while what is in force is known."),
}
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds."""


class Histogram:
    """Durations by bucket, the last one without a bound."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds

    def lines(self, labels: str) -> Iterator[str]:
        total = 0
        for bound, count in zip((*(f"{bound:g}" for bound in BUCKETS), "+Inf"), self.counts, strict=True):
            total += count
            yield f'{SECONDS}_bucket{{{labels},le="{bound}"}} {total}'
        yield f"{SECONDS}_sum{{{labels}}} {self.sum:.9g}"
        yield f"{SECONDS}_count{{{labels}}} {total}"


class Metrics:
    """Labels hold this program's own words and the names of tenants; refusals are keyed by code, surface and tenant."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.upstream: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str, str]] = Counter()
        self._seconds: dict[tuple[str, int], Histogram] = {}

    def took(self, surface: str, status: int, seconds: float) -> None:
        key = (surface, status // 100)
        found = self._seconds.get(key)
        if found is None:
            found = self._seconds[key] = Histogram()
        found.observe(seconds)

    def text(self, gauges: Mapping[str, float]) -> str:
        lines = []
        for name, (kind, help_) in _HELP.items():
            lines += [f"# HELP {name} {help_}", f"# TYPE {name} {kind}", *self._lines(name, gauges)]
        return "\n".join(lines) + "\n"

    def _lines(self, name: str, gauges: Mapping[str, float]) -> Iterator[str]:
        if name == CALLS:
            for outcome, n in sorted(self.calls.items()):
                yield f'{name}{{outcome="{outcome}"}} {n}'
        elif name == UPSTREAM:
            for status, n in sorted(self.upstream.items()):
                yield f'{name}{{status="{status}"}} {n}'
        elif name == REFUSED:
            for (code, surface, tenant), n in sorted(self.refused.items()):
                yield f'{name}{{code="{code}",surface="{surface}",tenant="{tenant}"}} {n}'
        elif name == SECONDS:
            for (surface, hundreds), found in sorted(self._seconds.items()):
                yield from found.lines(f'surface="{surface}",status="{hundreds}xx"')
        else:
            yield f"{name} {gauges.get(name, 0):.15g}"

"""What happened, counted, and told in Prometheus's text format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

_HELP = {
    "reconciler_calls_total": ("counter", "Calls by how they ended."),
    "reconciler_upstream_responses_total": ("counter", "Answers of HTTP upstreams by their status."),
    "reconciler_refused_requests_total": ("counter", "Requests that came no further than the door, by why."),
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


class Metrics:
    """Names and labels hold no tenant's words: only what this program says."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.upstream: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def text(self, gauges: Mapping[str, float]) -> str:
        counted = {
            "reconciler_calls_total": ("outcome", self.calls),
            "reconciler_upstream_responses_total": ("status", self.upstream),
            "reconciler_refused_requests_total": ("reason", self.refused),
        }
        lines = []
        for name, (kind, help_) in _HELP.items():
            lines += [f"# HELP {name} {help_}", f"# TYPE {name} {kind}"]
            if name in counted:
                label, values = counted[name]
                lines += [f'{name}{{{label}="{value}"}} {n}' for value, n in sorted(values.items())]
            else:
                lines.append(f"{name} {gauges.get(name, 0):.15g}")
        return "\n".join(lines) + "\n"

"""Drift turned into Prometheus' text format, for the node exporter's textfile collector."""

from __future__ import annotations

from reconciler.model.drift import Drift


def drift_metrics(drift: Drift, now: float) -> str:
    """Gauges: findings by tenant, kind and sort; clean resources; the generation; when this was checked (Unix seconds)."""
    project = f'project="{drift.project}",environment="{drift.environment or ""}"'
    counts = drift.counts()
    lines = [
        "# HELP reconciler_drift_resources Resources that were created, changed or deleted outside, or whose record was forged, since the last apply.",
        "# TYPE reconciler_drift_resources gauge",
        *(
            f'reconciler_drift_resources{{{project},tenant="{tenant}",kind="{kind}",finding="{op}"}} {kinds[kind].get(op, 0)}'
            for tenant, kinds in counts.items()
            for kind in kinds
            for op in drift.totals()
        ),
        "# HELP reconciler_drift_total All findings.",
        "# TYPE reconciler_drift_total gauge",
        f"reconciler_drift_total{{{project}}} {len(drift.findings)}",
        "# HELP reconciler_clean_resources Resources that are as they were applied.",
        "# TYPE reconciler_clean_resources gauge",
        f"reconciler_clean_resources{{{project}}} {drift.clean}",
        "# HELP reconciler_generation The project's generation.",
        "# TYPE reconciler_generation gauge",
        f"reconciler_generation{{{project}}} {drift.generation}",
        "# HELP reconciler_drift_checked_timestamp_seconds When drift was checked.",
        "# TYPE reconciler_drift_checked_timestamp_seconds gauge",
        f"reconciler_drift_checked_timestamp_seconds{{{project}}} {now:.0f}",
    ]
    return "\n".join(lines) + "\n"

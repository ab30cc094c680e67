"""Drift turned into text and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model.body import dotted
from reconciler.model.drift import Drift
from reconciler.model.plan import OutsideChange
from reconciler.render.style import Style, safe, value_text

NO_DRIFT = "No drift. What is live is what was applied last."
_SYMBOLS = {"created": "+", "changed": "~", "deleted": "-"}
_FIELDS = {"add": "+", "remove": "-", "change": "~"}
_COLOURS = {"+": "green", "~": "yellow", "-": "red"}


def drift_text(drift: Drift, style: Style) -> Iterator[str]:
    yield f"Project {drift.project}{f', environment {drift.environment}' if drift.environment else ''}, generation {drift.generation}"
    yield ""
    if not drift.findings:
        yield NO_DRIFT
        return
    for finding in drift.findings:
        symbol = _SYMBOLS[finding.op]
        who = f"by {safe(finding.touch.by)} at {finding.touch.at}"
        yield style.paint(f"  # {finding.address} was {finding.op} outside {who}", "bold")
        for field in finding.fields:
            mark = _FIELDS[field.op]
            before = "" if field.op == "add" else f"{value_text(field.before)} -> "
            after = "null" if field.op == "remove" else value_text(field.after)
            yield f"      {style.paint(mark, _COLOURS[mark])} {safe(dotted(field.path))} = {before}{after}"
        if not finding.fields:
            yield f"      {style.paint(symbol, _COLOURS[symbol])} {finding.address.kind} {value_text(finding.address.name)}"
        yield ""
    yield "Drift: " + ", ".join(f"{count} {op}" for op, count in drift.totals().items()) + " outside."
    yield "next: `reconciler plan` shows what an apply would do about it"


def drift_json(drift: Drift) -> dict[str, Any]:
    """Counts per tenant and kind, and every finding with its fields."""
    return {
        "format_version": "1.0",
        "project": drift.project,
        "environment": drift.environment,
        "generation": drift.generation,
        "drifted": bool(drift.findings),
        "clean": drift.clean,
        "counts": drift.counts(),
        "findings": [_finding(finding) for finding in drift.findings],
    }


def _finding(finding: OutsideChange) -> dict[str, Any]:
    return {
        "address": str(finding.address),
        "tenant": finding.address.tenant,
        "type": finding.address.kind,
        "name": finding.address.name,
        "finding": finding.op,
        "by": finding.touch.by,
        "at": finding.touch.at,
        "before": finding.before,
        "after": finding.after,
        "fields": [
            {"path": list(f.path), "field": dotted(f.path), "op": f.op, "before": f.before, "after": f.after}
            for f in finding.fields
        ],
    }

"""Drift turned into text and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from reconciler.diff.visible import visible, visible_value
from reconciler.model.body import canonical, dotted
from reconciler.model.drift import FORGED, Drift
from reconciler.model.plan import Cause, OutsideChange
from reconciler.plan.selected import selection_document
from reconciler.render.left_out import left_out_lines, no_drift
from reconciler.render.plan_text import body_lines, field_lines
from reconciler.render.style import OP_COLOURS, Style

RECORD_FORGED = "has a forged record: what was applied to it was changed by hand, or written without the key"
_SYMBOLS = {"created": "+", "changed": "~", "deleted": "-"}


def drift_text(drift: Drift, style: Style) -> Iterator[str]:
    """Render drift as lines of text."""
    yield f"Project {drift.project}{f', environment {drift.environment}' if drift.environment else ''}, generation {drift.generation}"
    yield ""
    if not drift.findings:
        yield no_drift(selection_document(drift))
        yield from left_out_lines(selection_document(drift))
        return
    for finding in drift.findings:
        who = f"by {visible(finding.touch.by)} at {visible(finding.touch.at)}"
        done = f"was {finding.op} outside {who}" if finding.op != FORGED else RECORD_FORGED
        yield style.paint(f"  # {visible(str(finding.address))} {done}", "bold")
        yield from _finding_lines(finding, style)
        yield ""
    yield "Drift: " + ", ".join(f"{count} {op}" for op, count in drift.totals().items()) + " outside."
    yield from left_out_lines(selection_document(drift))
    created = next((finding for finding in drift.findings if finding.op == "created"), None)
    if created is not None:
        yield f"next: `reconciler adopt {visible(str(created.address))}` takes over what was created outside"
    yield "next: `reconciler plan` shows what an apply would do about it"


def _finding_lines(finding: OutsideChange, style: Style) -> Iterator[str]:
    if finding.fields:
        yield from field_lines([replace(field, cause=Cause.CONFIGURATION) for field in finding.fields], style)
        return
    symbol, body = _SYMBOLS.get(finding.op, "~"), finding.before if finding.op == "deleted" else finding.after
    lead = f"      {style.paint(symbol, OP_COLOURS[symbol])} {visible(finding.address.kind)} {visible_value(finding.address.name)}"
    if finding.op in {"changed", FORGED} or body is None:
        yield lead
        return
    yield f"{lead} {{"
    yield from body_lines(symbol, style, canonical(body))
    yield "    }"


def drift_json(drift: Drift) -> dict[str, Any]:
    """Return drift as JSON: counts per tenant and kind, and every finding with its fields."""
    return {
        "format_version": "1.0",
        "project": drift.project,
        "environment": drift.environment,
        "generation": drift.generation,
        "drifted": bool(drift.findings),
        "clean": drift.clean,
        "counts": drift.counts(),
        **selection_document(drift),
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

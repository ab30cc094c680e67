"""Drift turned into an event: what was found, or a heartbeat where nothing was."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from reconciler.model.body import canonical, digest, dotted
from reconciler.model.drift import Drift
from reconciler.model.notification import DRIFT, HEARTBEAT, Event, event


def drift_event(drift: Drift, at: str) -> Event:
    """``fingerprint`` is the same as long as the same is found: a receiver can tell news from a repetition."""
    data: dict[str, Any] = {
        "project": drift.project,
        "environment": drift.environment,
        "generation": drift.generation,
        "clean": drift.clean,
    }
    if not drift.findings:
        return event(HEARTBEAT, at, data, ())
    seen = [[str(f.address), f.op, None if f.after is None else digest(f.after)] for f in drift.findings]
    data |= {"counts": drift.totals(), "fingerprint": sha256(canonical(seen).encode()).hexdigest()[:16]}
    items = (
        (f.address, {"action": f.op, "fields": [dotted(c.path) for c in f.fields], "by": f.touch.by, "at": f.touch.at})
        for f in drift.findings
    )
    return event(DRIFT, at, data, items)

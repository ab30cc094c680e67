"""What an apply leaves behind besides its rows: history's row, the audit trail's entry, and what others are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from reconciler.apply.terms import Terms
from reconciler.model.body import dotted
from reconciler.model.notification import APPLY, Event, event
from reconciler.model.plan import Action, Change, Plan, count
from reconciler.store.tampered import changes_digest
from reconciler.store.under_lock import Before


class ApplyOutcome(Struct, frozen=True):
    """What an apply did; ``generation`` is None if there was nothing left to do, ``before`` then the apply that had done it."""

    apply_id: str
    generation: int | None
    added: int = 0
    changed: int = 0
    destroyed: int = 0
    before: Before | None = None


def outcome_of(apply_id: str, generation: int, written: tuple[Change, ...]) -> ApplyOutcome:
    """Count what an apply wrote."""
    return ApplyOutcome(
        apply_id,
        generation,
        count(written, Action.CREATE, Action.REPLACE),
        count(written, Action.UPDATE),
        count(written, Action.DELETE, Action.REPLACE),
    )


def generation_row(plan: Plan, terms: Terms, outcome: ApplyOutcome) -> dict[str, Any]:
    """Return the columns of history's row."""
    revision = plan.revision or terms.revision
    return {
        "number": outcome.generation,
        "apply_id": outcome.apply_id,
        "operation": plan.operation,
        "actor": terms.actor,
        "environment": plan.environment,
        "git_commit": revision.commit if revision else None,
        "git_dirty": int(revision.dirty) if revision else 0,
        "tool_version": plan.tool_version,
        "configuration": plan.configuration,
        "added": outcome.added,
        "changed": outcome.changed,
        "destroyed": outcome.destroyed,
    }


def like(plan: Plan) -> dict[str, Any]:
    """Return the columns of history's row that every apply of this plan fills in the same way, if it writes all of it."""
    counts = {"added": plan.added, "changed": plan.changed, "destroyed": plan.destroyed}
    return {"operation": plan.operation, "configuration": plan.configuration, **counts}


def audit_entry(
    plan: Plan, terms: Terms, outcome: ApplyOutcome, told: Sequence[list[str | None]], pruned: int | None
) -> dict[str, Any]:
    """Return the body of the trail's entry, which docs/audit.md describes.

    ``told`` is each change's address, action, digests before and after; ``pruned`` is history's new horizon, if it moved.
    """
    horizon = {} if pruned is None else {"history_pruned_up_to": pruned}
    return {
        "at": _now(),
        "event": "apply",
        "project": plan.project,
        "environment": plan.environment,
        "operation": plan.operation,
        "actor": terms.actor,
        "apply_id": outcome.apply_id,
        "generation": outcome.generation,
        "git_commit": plan.revision.commit if plan.revision else None,
        "changes": len(told),
        "changes_digest": changes_digest(told),
        **horizon,
    }


def apply_event(plan: Plan, terms: Terms, outcome: ApplyOutcome, written: Sequence[Change]) -> Event:
    """Return what destinations are told: addresses and the names of fields, never a value."""
    return event(
        APPLY,
        _now(),
        {
            "project": plan.project,
            "environment": plan.environment,
            "operation": plan.operation,
            "generation": outcome.generation,
            "apply_id": outcome.apply_id,
            "actor": terms.actor,
            "git_commit": plan.revision.commit if plan.revision else None,
            "summary": {"add": outcome.added, "change": outcome.changed, "destroy": outcome.destroyed},
        },
        (
            (change.address, {"action": change.action.value, "fields": [dotted(field.path) for field in change.fields]})
            for change in written
        ),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

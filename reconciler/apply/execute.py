"""``execute``: a plan and a database, turned into the database after the plan; or into a reason, and no change at all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import uuid4

from reconciler.apply.judge import judge
from reconciler.apply.terms import Terms
from reconciler.apply.trust import check
from reconciler.apply.writes import write
from reconciler.errors import LockTimeout, ReconcilerError
from reconciler.failpoints import hit
from reconciler.model.body import canonical, digest
from reconciler.model.live import DatabaseState
from reconciler.model.plan import Action, Change, Plan
from reconciler.store.failures import ConnectionLost, Contended, LockNotHad
from reconciler.store.schema import upgrade
from reconciler.store.session import NothingToDo, Writer, transaction
from reconciler.store.transaction import HistoryEntry
from reconciler.store.url import Database

ATTEMPTS = 8


def _quiet(message: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an apply did; ``generation`` is None if there was nothing left to do."""

    apply_id: str
    generation: int | None
    added: int = 0
    changed: int = 0
    destroyed: int = 0


def execute(plan: Plan, database: Database, terms: Terms, tell: Callable[[str], None] = _quiet) -> Outcome:
    """Applies in one transaction. Raises PlanStale, Refused, LockTimeout, IntegrityFailed or OutcomeUnknown."""
    check(plan)
    apply_id = str(uuid4())
    if not plan.changes:
        return Outcome(apply_id, None)
    deadline = time.monotonic() + terms.lock_timeout
    writer = Writer(apply_id, plan.project, terms.actor, str(uuid4()), plan.environment)
    if plan.database_state in {DatabaseState.MISSING.value, DatabaseState.EMPTY.value}:
        _set_up(database, deadline)
    for attempt in range(ATTEMPTS):
        try:
            return _attempt(plan, database, terms, writer, deadline, tell)
        except Contended:
            if time.monotonic() > deadline or attempt == ATTEMPTS - 1:
                break
            time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311
        except ConnectionLost:
            raise ReconcilerError(
                "the connection to the database ended; nothing was written", code="connection-lost", hint="apply again"
            ) from None
    raise LockTimeout("other writers kept getting in the way; nothing was written", hint="apply again")


def _set_up(database: Database, deadline: float) -> None:
    try:
        upgrade(database, max(0.1, deadline - time.monotonic()), only_empty=True)
    except LockNotHad:
        raise LockTimeout("another process is setting up the database", hint="apply again") from None


def _attempt(
    plan: Plan, database: Database, terms: Terms, writer: Writer, deadline: float, tell: Callable[[str], None]
) -> Outcome:
    try:
        with transaction(database, writer, deadline, tell) as under_lock:
            project = under_lock.project_row
            ruling = judge(plan, terms.approval.saved, terms, under_lock, project)
            if not ruling.writes:
                raise NothingToDo
            entries = write(
                under_lock, ruling.writes, ruling.locked.rows, ruling.locked.applied, project.generation + 1
            )
            outcome = _outcome(writer.apply_id, project.generation + 1, ruling.writes)
            hit("before_audit")
            under_lock.record(_generation(plan, terms, outcome), entries)
            under_lock.audit(_audit_entry(plan, terms, outcome, entries), terms.audit_key)
            hit("after_audit")
            under_lock.finish()
        return outcome
    except NothingToDo:
        return Outcome(writer.apply_id, None)


def _outcome(apply_id: str, generation: int, written: tuple[Change, ...]) -> Outcome:
    def count(*actions: Action) -> int:
        return sum(change.action in actions for change in written)

    return Outcome(
        apply_id,
        generation,
        count(Action.CREATE, Action.REPLACE),
        count(Action.UPDATE),
        count(Action.DELETE, Action.REPLACE),
    )


def _audit_entry(plan: Plan, terms: Terms, outcome: Outcome, entries: list[HistoryEntry]) -> dict[str, object]:
    """The body of the trail's entry; docs/audit.md describes it."""
    changes = [[str(e.address), e.action, e.before and digest(e.before), e.after and digest(e.after)] for e in entries]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "event": "apply",
        "project": plan.project,
        "environment": plan.environment,
        "operation": plan.operation,
        "actor": terms.actor,
        "apply_id": outcome.apply_id,
        "generation": outcome.generation,
        "git_commit": plan.revision.commit if plan.revision else None,
        "changes": len(changes),
        "changes_digest": sha256(canonical(changes).encode()).hexdigest(),
    }


def _generation(plan: Plan, terms: Terms, outcome: Outcome) -> dict[str, object]:
    """The columns of history's row."""
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

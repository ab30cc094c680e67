"""``execute``: a plan and a database, turned into the database after the plan; or into a reason, and no change at all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from uuid import uuid4

from reconciler.apply.judge import judge
from reconciler.apply.records import Outcome, apply_event, audit_entry, generation_row, outcome_of
from reconciler.apply.terms import Terms
from reconciler.apply.trust import check
from reconciler.apply.writes import rotated_in, write
from reconciler.errors import LockTimeout, ReconcilerError
from reconciler.failpoints import hit
from reconciler.model.live import DatabaseState
from reconciler.model.plan import Plan
from reconciler.planner.needs import Needs
from reconciler.store.failures import ConnectionLost, Contended, LockNotHad
from reconciler.store.schema import upgrade
from reconciler.store.session import NothingToDo, Writer, transaction
from reconciler.store.url import Database

ATTEMPTS = 8
TOLD_AFTER = 2
"""Attempts that may fail without anybody being told: they take no time that a person would notice."""


def _quiet(message: str) -> None:
    return None


def execute(plan: Plan, database: Database, terms: Terms, tell: Callable[[str], None] = _quiet) -> Outcome:
    """Applies in one transaction. Raises PlanStale, Refused, LockTimeout, IntegrityFailed or OutcomeUnknown."""
    needs = check(plan)
    apply_id = str(uuid4())
    if not plan.changes:
        return Outcome(apply_id, None)
    deadline = time.monotonic() + terms.lock_timeout
    writer = Writer(apply_id, plan.project, terms.actor, str(uuid4()), plan.environment)
    if plan.database_state in {DatabaseState.MISSING.value, DatabaseState.EMPTY.value}:
        _set_up(database, deadline)
    for attempt in range(ATTEMPTS):
        try:
            return _attempt(plan, needs, database, terms, writer, deadline, tell)
        except Contended:
            if time.monotonic() > deadline or attempt == ATTEMPTS - 1:
                break
            if attempt == TOLD_AFTER:
                tell("Other writers are in the way; trying again ...")
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
    plan: Plan,
    needs: Needs,
    database: Database,
    terms: Terms,
    writer: Writer,
    deadline: float,
    tell: Callable[[str], None],
) -> Outcome:
    try:
        with transaction(database, writer, deadline, tell) as under_lock:
            project = under_lock.project_row
            ruling = judge(plan, needs, terms, under_lock, project)
            if not ruling.writes:
                raise NothingToDo
            entries = write(
                under_lock, ruling.writes, ruling.locked.rows, ruling.locked.applied, project.generation + 1
            )
            signed = under_lock.seal(project.generation + 1)
            under_lock.note_secrets(terms.seen, rotated_in(ruling.writes))
            outcome = outcome_of(writer.apply_id, project.generation + 1, ruling.writes)
            hit("before_audit")
            under_lock.record(generation_row(plan, terms, outcome), entries.history)
            pruned = under_lock.prune(terms.retention, project.generation + 1)
            if terms.told:
                under_lock.enqueue(terms.told, apply_event(plan, terms, outcome, ruling.writes))
            entry = audit_entry(plan, terms, outcome, entries.told, pruned)
            under_lock.audit({**entry, **signed}, terms.audit_key)
            hit("after_audit")
            under_lock.finish()
        return outcome
    except NothingToDo:
        return Outcome(writer.apply_id, None)

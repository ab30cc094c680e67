"""``execute``: a plan and a database, turned into the database after the plan; or into a reason, and no change at all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from uuid import uuid4

from msgspec.structs import replace

from reconciler.apply.judge import judge, ready
from reconciler.apply.records import ApplyOutcome, apply_event, audit_entry, generation_row, like, outcome_of
from reconciler.apply.terms import CommitMoved, Terms
from reconciler.apply.trust import check
from reconciler.apply.writes import meant_by, rotated_in, write
from reconciler.batches import Map
from reconciler.errors import LockTimeout, ReconcilerError
from reconciler.failpoints import hit
from reconciler.model.live import DatabaseState
from reconciler.model.plan import Plan
from reconciler.planner.needs import Needs
from reconciler.store.failures import ConnectionLost, Contended, LockNotHad, ended
from reconciler.store.schema import upgrade
from reconciler.store.session import NothingToDo, Writer, transaction
from reconciler.store.under_lock import Before
from reconciler.store.url import Database

ATTEMPTS = 8
ASKS = 3
"""Times that git is asked how the configuration stands to the commit applied last, where other commits keep coming in between."""
TOLD_AFTER = 2
"""Attempts that may fail without anybody being told: they take no time that a person would notice."""


def _quiet(message: str) -> None:
    return None


def execute(
    plan: Plan, database: Database, terms: Terms, tell: Callable[[str], None] = _quiet, mapper: Map = map
) -> ApplyOutcome:
    """Apply in one transaction. Raises PlanStale, Refused, LockTimeout, IntegrityFailed or OutcomeUnknown."""
    needs = check(plan, mapper)
    apply_id = str(uuid4())
    if not plan.changes:
        return ApplyOutcome(apply_id, None)
    terms = _asked(terms)
    ready(terms)
    asked, deadline = 1, time.monotonic() + terms.lock_timeout
    writer = Writer(apply_id, plan.project, terms.actor, str(uuid4()), plan.environment)
    if plan.database_state in {DatabaseState.MISSING.value, DatabaseState.EMPTY.value}:
        _set_up(database, deadline)
    for attempt in range(ATTEMPTS):
        try:
            return _attempt(plan, needs, database, terms, writer, deadline, tell)
        except CommitMoved:
            asked += 1
            terms = _asked(terms, last=asked == ASKS)
        except Contended:
            if time.monotonic() > deadline or attempt == ATTEMPTS - 1:
                break
            if attempt == TOLD_AFTER:
                tell("Other writers are in the way; trying again ...")
            time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311
        except ConnectionLost as error:
            if error.seconds is not None:
                raise ended(error, database, "; nothing was written", "apply again") from None
            raise ReconcilerError(
                "the connection to the database ended; nothing was written", code="connection-lost", hint="apply again"
            ) from None
    raise LockTimeout("other writers kept getting in the way; nothing was written", hint="apply again")


def _asked(terms: Terms, last: bool = False) -> Terms:
    """Ask while nothing is locked. What was asked for the ``last`` time is not asked again: it refuses another commit."""
    if terms.ask is None:
        return terms
    return replace(terms, standing=terms.ask(), ask=None if last else terms.ask)


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
) -> ApplyOutcome:
    before: Before | None = None
    try:
        with transaction(database, writer, deadline, tell) as under_lock:
            project = under_lock.project_row
            ruling = judge(plan, needs, terms, under_lock, project)
            if not ruling.writes:
                before = under_lock.applied_since(plan.generation, like(plan))
                raise NothingToDo
            entries = write(
                under_lock, ruling.writes, ruling.locked.rows, ruling.locked.applied, project.generation + 1
            )
            signed = under_lock.seal(project.generation + 1)
            under_lock.note_secrets(terms.seen, rotated_in(ruling.writes))
            under_lock.bind_secrets(meant_by(ruling.writes))
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
        return ApplyOutcome(writer.apply_id, None, before=before)

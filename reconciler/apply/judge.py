"""Under the lock: is this the right database, is every change still as planned, and may this be written at all?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module

from msgspec import Struct
from msgspec.structs import replace

from reconciler.apply.decide import Locked, Verdict, decide
from reconciler.apply.names import names_of
from reconciler.apply.references import judge_references
from reconciler.apply.terms import CommitMoved, Terms
from reconciler.errors import PlanStale, Problem, Refused
from reconciler.guards.check import Facts, by_risk, refusals
from reconciler.kinds.meaning import as_applied
from reconciler.model.address import Address
from reconciler.model.effects import NARROWED, WIDENED
from reconciler.model.live import ProjectRow
from reconciler.model.plan import DELETED_OUTSIDE, Action, Blocker, Change, Plan
from reconciler.planner.environment import require_environment
from reconciler.planner.forged import forged_records
from reconciler.planner.needs import Needs
from reconciler.planner.protection import protected
from reconciler.planner.risks import risks_of
from reconciler.store.transaction import Transaction

OF_ACCESS = frozenset({WIDENED, NARROWED})
"""Risks that follow from comparing access before and after."""


class Ruling(Struct, frozen=True):
    """The changes that have to be written, and what they were judged by."""

    writes: tuple[Change, ...]
    locked: Locked


def judge(plan: Plan, needs: Needs, terms: Terms, transaction: Transaction, project: ProjectRow) -> Ruling:
    """``needs`` is what each change refers to. Raises Refused or PlanStale, with every reason; nothing has been written yet."""
    _right_database(plan, project)
    locked = _lock(plan, transaction)
    verdicts = [(change, decide(change, locked)) for change in plan.changes]
    refused = [_foreign(c, locked) for c, verdict in verdicts if verdict is Verdict.NOT_OURS]
    moved = {c.address for c, verdict in verdicts if verdict is Verdict.STALE}.union(_renamed(verdicts, transaction))
    stale = [
        *_restored(plan, transaction),
        *_replaced(plan, transaction),
        *(_stale(address) for address in sorted(moved)),
    ]
    writes = tuple(
        _forgetting(c) if verdict is Verdict.LOST else c
        for c, verdict in verdicts
        if verdict in {Verdict.WRITE, Verdict.LOST}
    )
    checks: tuple[Callable[[], None], ...] = (
        lambda: judge_references(plan, writes, needs, locked, transaction),
        lambda: _lives(writes, transaction),
        lambda: _may(plan, writes, locked, terms, transaction, project),
    )
    for check in checks if writes else ():
        try:
            check()
        except PlanStale as error:
            stale.extend(error.problems)
        except Refused as error:
            refused.extend(error.problems)
    if refused:
        raise Refused(*refused, *stale)  # where several exit codes hold, the highest counts
    if stale:
        raise PlanStale(*stale)
    return Ruling(writes, locked)


def _forgetting(change: Change) -> Change:
    return replace(change, action=Action.FORGET, new=change.old, reason=DELETED_OUTSIDE)


def _right_database(plan: Plan, project: ProjectRow) -> None:
    require_environment(project, plan.project, plan.environment)
    if plan.lineage is not None and plan.lineage != project.lineage:
        raise Refused(
            "the plan was made for another database: its lineage is not that of the project here",
            code="wrong-lineage",
            hint="apply it to the database it was made for, or make a new plan",
        )
    if plan.generation > project.generation:
        raise PlanStale(
            f"the database is at generation {project.generation}, older than the plan's {plan.generation}: "
            "it was probably restored from a backup",
            hint="make a new plan",
        )


def _restored(plan: Plan, transaction: Transaction) -> Iterator[Problem]:
    """Another apply made the plan's generation here: whatever it shows as live was never live in this history."""
    if plan.generation and (made_by := transaction.apply_of(plan.generation)) != plan.apply_id:
        yield Problem(
            "plan-stale",
            f"generation {plan.generation} of this database is the work of {_apply(made_by)}, and the plan was made after "
            f"{_apply(plan.apply_id)}: the database was probably restored from a backup, and applied to since",
            hint="make a new plan",
        )


def _replaced(plan: Plan, transaction: Transaction) -> Iterator[Problem]:
    """Another secret stands where the plan was reviewed with one: nobody has seen that."""
    for one in transaction.secrets_replaced(plan.secrets):
        yield Problem(
            "plan-stale",
            f"encrypted://{one.name} of {one.tenant} is not the secret any more that it was when the plan was made",
            hint=f"`reconciler secrets access-log {one.tenant}/{one.name}` shows who replaced it; then make a new plan",
        )


def _apply(apply_id: str | None) -> str:
    return f"the apply {apply_id}" if apply_id else "an apply that is not named"


def _lock(plan: Plan, transaction: Transaction) -> Locked:
    touched = {change.address for change in plan.changes} | {c.previous for c in plan.changes if c.previous}
    rows, applied = transaction.touched(touched)
    reached = frozenset(c.address for c in plan.changes if c.previous)
    left = [(c.previous, c.uid) for c in plan.changes if c.previous]
    left += [(c.address, c.uid) for c in plan.changes if c.action is Action.DELETE and c.address in reached]
    vacated = frozenset(place for place, uid in left if place in rows and rows[place].uid == uid)
    return Locked(rows, applied, transaction.owners(rows), vacated, reached)


def _renamed(verdicts: Sequence[tuple[Change, Verdict]], transaction: Transaction) -> Iterator[Address]:
    """Yield resources that were to end and live on as ours, since another apply gave them another name."""
    ended: dict[str, dict[str, Address]] = {}
    for change, verdict in verdicts:
        done = verdict is Verdict.DONE and change.action in {Action.DELETE, Action.FORGET}
        if done and change.uid:
            ended.setdefault(change.address.tenant, {})[change.uid] = change.address
    for tenant, uids in sorted(ended.items()):
        places = transaction.with_uids(tenant, uids)
        applied = transaction.applied(places.values())
        yield from (uids[u] for u, place in places.items() if place in applied and applied[place].uid == u)


def _foreign(change: Change, locked: Locked) -> Problem:
    owner = locked.owner(change.address) or locked.owner(change.previous or change.address)
    return Problem(
        "owned-by-another",
        f"{change.address} belongs to the project {owner!r} now",
        address=str(change.address),
        hint="make a new plan; it says how to take a resource over",
    )


def _stale(address: Address) -> Problem:
    return Problem(
        "plan-stale",
        f"{address} is no longer as it was when the plan was made",
        address=str(address),
        hint="nothing was written; make a new plan and review it",
    )


def _lives(writes: tuple[Change, ...], transaction: Transaction) -> None:
    """Refuse to bring back a uid that lives under another name, where somebody renamed it."""
    ended = {change.address for change in writes if change.action.destroys}
    problems = []
    for tenant in sorted({change.address.tenant for change in writes if change.restored_uid}):
        wanted = {c.restored_uid: c.address for c in writes if c.restored_uid and c.address.tenant == tenant}
        for uid, place in sorted(transaction.with_uids(tenant, wanted).items()):
            if place not in ended:
                address = str(wanted[uid])
                message = f"{address} is live under another name, {place}; nothing was written"
                problems.append(Problem("uid-live", message, address, hint=f"rename or delete {place} first"))
    if problems:
        raise Refused(*problems)


def _may(
    plan: Plan,
    writes: tuple[Change, ...],
    locked: Locked,
    terms: Terms,
    transaction: Transaction,
    project: ProjectRow,
) -> None:
    """Protection and guards, judged by what is live and not by what the plan says."""
    owned = transaction.owned()
    after = dict(owned)
    for change in writes:
        tenant = change.address.tenant
        if change.action in {Action.DELETE, Action.FORGET} and locked.owns(change.address):
            after[tenant] = after.get(tenant, 0) - 1
        elif change.action is Action.CREATE or change.adopted_from is not None:
            after[tenant] = after.get(tenant, 0) + 1
    deleting = {change.address.tenant for change in writes if change.action is Action.DELETE}
    unattended = terms.approval.unattended
    facts = Facts(
        deletes=sum(change.action.destroys for change in writes),
        owned=sum(owned.values()),
        owned_after=sum(after.values()),
        tenants_gone=tuple(sorted(t for t in deleting if owned.get(t) and not after.get(t))),
        unseen=tuple(
            c.address
            for c in (writes if unattended and (locked.rows or locked.applied) else ())
            if _unseen(c, locked, terms.approval.saved)
        ),
        diverged=_diverged(terms, project.commit or "") if unattended else None,
        taken_back=terms.taken_back if unattended and not terms.approval.saved else (),
        risks=_risks(plan, writes, locked, terms, transaction),
    )
    reasons = [
        *protected(writes if locked.rows else (), locked.body_before),
        *forged_records(writes, locked.applied),
        *refusals(facts, terms.guards, terms.allowed),
    ]
    if reasons:
        raise Refused(
            *(Problem(b.code, b.message, str(b.address) if b.address else None, hint=b.hint) for b in reasons)
        )


def _diverged(terms: Terms, last: str) -> Blocker | None:
    """Compare with the answer that is there: to ask takes a program, which the lock must not wait for."""
    if terms.standing is None:
        return None
    if terms.standing.last != last and terms.ask is not None:
        raise CommitMoved
    return terms.standing.against(last)


def ready(terms: Terms) -> None:
    """Load what judges access, where a guard asks for it: a module read under the lock would hold it for as long."""
    if terms.guards.refuse & OF_ACCESS:
        import_module("reconciler.access.planned")


def _risks(
    plan: Plan, writes: tuple[Change, ...], locked: Locked, terms: Terms, transaction: Transaction
) -> Mapping[str, tuple[Address, ...]]:
    """Every risk that a guard may refuse, and what has it. Judging takes time under the lock: only what is asked for."""
    asked = terms.guards.refuse
    names = names_of(writes, locked, transaction) if asked else None
    found = by_risk((c.address, risks_of(c, names=names)) for c in writes) if names else {}
    if asked & OF_ACCESS:
        from reconciler.access.planned import judged  # loaded before the lock, by ``ready``

        today = datetime.now(UTC).date()
        found |= by_risk(
            sorted(judged(writes, plan.project, transaction.governed, transaction.suspended, today).risks.items())
        )
    return found


def _unseen(change: Change, locked: Locked, saved: bool) -> bool:
    """Whether this overwrites an outside change; a saved plan that shows it was there to be seen."""
    if change.action in {Action.ADOPT, Action.FORGET} or change.adopted_from is not None:
        return False
    place = change.previous or change.address
    row, applied = locked.rows.get(place), locked.applied.get(place)
    if change.action is Action.CREATE:
        overwrites = applied is not None and place not in locked.vacated
    else:
        overwrites = row is not None and applied is not None and not as_applied(row, applied)
        if change.action is Action.UPDATE:
            overwrites = overwrites and any(field.cause.is_outside for field in change.fields)
    return overwrites and not (saved and change.outside is not None)

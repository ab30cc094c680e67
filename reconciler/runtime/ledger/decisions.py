"""Decisions on calls that wait for an approval: who may decide, what is written, and the entries of the audit trail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

from reconciler.errors import ReconcilerError, Refused
from reconciler.model.audit import Actor, AuditKey
from reconciler.model.notification import Destination
from reconciler.runtime.ledger.approvals import Waiting, decide, deciding, get, mark_filed, unfiled
from reconciler.runtime.ledger.approvals_told import enqueue_decided
from reconciler.runtime.ledger.reading import is_id, moment
from reconciler.store.audit import newest_of, note
from reconciler.store.changing import changing
from reconciler.store.url import Database

EVENT = "approval"
_KNOWN = 1000
"""So many of the newest entries are looked at before one is made: a crash may have come between an entry and its mark."""


class Decider(NamedTuple):
    """Who decides. ``issuer`` and ``subject`` are `iss` and `sub` of the token that proved it, "" for anything else."""

    name: str
    roles: frozenset[str] = frozenset()
    issuer: str = ""
    subject: str = ""


class Verdict(NamedTuple):
    """``reason`` stands in the audit trail, and the requester does not see it."""

    approved: bool
    reason: str


def settle_request(
    store: Database,
    identity: str,
    tenants: Sequence[str],
    decider: Decider,
    verdict: Verdict,
    destinations: tuple[Destination, ...] = (),
) -> Waiting:
    """Approve or deny a request, and return it as it stands then. Raises ReconcilerError (``unknown-approval``) and Refused."""
    with deciding(store, identity if is_id(identity) else "", tenants) as (connection, waiting):
        if waiting is None:
            raise ReconcilerError(f"there is no request {identity!r}", code="unknown-approval", hint=_LIST)
        if why := unfit(decider, waiting):
            raise Refused(f"{decider.name} may not decide this: {why}", code="not-a-decider")
        if not decide(connection, waiting, verdict.approved, decider.name, verdict.reason):
            raise Refused(f"the request {identity} is {waiting.state} already", code="approval-decided", hint=_LIST)
        enqueue_decided(connection, destinations, waiting, verdict.approved, decider.name)
    found = get(store, identity, tenants)
    assert found is not None
    return found


_LIST = "see `reconciler approvals list`"


def unfit(decider: Decider, waiting: Waiting) -> str:
    """Return why somebody may not decide a request; "" where it may."""
    request = waiting.request
    if decider.subject and (decider.issuer, decider.subject) == (request.issuer, request.subject):
        return "it asked for it itself"
    if request.terms.four_eyes and not decider.subject:
        return "the policy takes only deciders whom a token of an issuer proves (four_eyes)"
    if request.terms.roles and decider.roles.isdisjoint(request.terms.roles):
        return f"it takes one of the roles {', '.join(request.terms.roles)}"
    return ""


def file_decisions(store: Database, control: Database, key: AuditKey, wait_seconds: float = 5.0) -> int:
    """Make the entries of decisions that have none yet; return how many. Raises what a user may see."""
    waiting = unfiled(store)
    if not waiting:
        return 0
    with changing(control, wait_seconds=wait_seconds) as connection:
        known = {entry.get("approval") for entry in islice(newest_of(connection, EVENT), _KNOWN)}
        for one in waiting:
            if one.id not in known:
                at = datetime.fromtimestamp(one.decided or 0.0, UTC)
                note(connection, EVENT, Actor(one.decided_by, key), dict(_fields(one)), at)
    mark_filed(store, [one.id for one in waiting])
    return len(waiting)


def _fields(one: Waiting) -> Iterator[tuple[str, Any]]:
    request = one.request
    yield "approval", one.id
    yield "decision", "denied" if one.state == "denied" else "approved"
    yield from ((name, getattr(request, name)) for name in ("tenant", "caller", "target", "policy"))
    yield "reason", one.reason


def document(one: Waiting) -> dict[str, Any]:
    """Return a request as JSON, without its values."""
    request, terms = one.request, one.request.terms
    return {
        "id": one.id,
        "state": one.state,
        **{name: getattr(request, name) for name in ("tenant", "caller", "subject", "target", "action", "policy")},
        "roles": [*terms.roles],
        "four_eyes": terms.four_eyes,
        "asked": moment(one.asked),
        "expires": moment(one.expires),
        "decided": None if one.decided is None else moment(one.decided),
        "decided_by": one.decided_by,
        "reason": one.reason,
        "evidence_id": one.evidence,
    }

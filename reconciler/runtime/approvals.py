"""Calls that wait for an approval: what an approval holds for, how values are sealed meanwhile, and who may decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from reconciler import strict_json
from reconciler.access.decide import Ask, Decision
from reconciler.access.judge import Caller
from reconciler.access.target import Target
from reconciler.codes import Code
from reconciler.errors import ReconcilerError
from reconciler.model.approval import Approval
from reconciler.model.body import digest
from reconciler.model.notification import Destination
from reconciler.runtime.hashing import ValuesKey
from reconciler.runtime.ledger import approvals
from reconciler.runtime.ledger.approvals import Full, Request, Waiting
from reconciler.runtime.ledger.approvals_told import teller
from reconciler.runtime.ledger.entries import Use, new_id
from reconciler.runtime.ledger.reading import is_id
from reconciler.runtime.results import Refusal
from reconciler.runtime.threads import in_thread
from reconciler.secrets.envelope import Blob, Bound, seal, unseal
from reconciler.secrets.ring import Ring
from reconciler.store.url import Database

RETRY_SECONDS = 30
MOST_LISTED = 100_000
NEXT = "call approved_call with this id"
REQUIRED: Literal["approval-required"] = "approval-required"
_NAME = "approval"
_WHY: Mapping[str, Code] = {"used": "approval-used", "expired": "approval-expired", "denied": "approval-denied"}


class Pending(Refusal):
    """The call waits for an approval. ``is_new``: it has asked for one just now."""

    def __init__(self, waiting: Waiting, is_new: bool, shows_output: bool) -> None:
        super().__init__(REQUIRED, retry_after=RETRY_SECONDS)
        self.waiting, self.is_new, self.shows_output = waiting, is_new, shows_output


class Sealed(NamedTuple):
    """What was asked for, as the agent gave it."""

    target: str
    action: str | None
    arguments: dict[str, Any]

    @property
    def ask(self) -> Ask:
        return Ask(self.target, self.action)


class Wanted(NamedTuple):
    """A decided call that needs an approval; ``values`` is the keyed hash of its values."""

    caller: Caller
    ask: Ask
    decision: Decision
    target: Target
    arguments: Mapping[str, Any]
    values: str
    ways: tuple[Target, ...] = ()
    """Targets of which the call takes one, such as the deployments of a route."""


class Approvals:
    """Approvals in one store, whose values the ring's keys seal. ``destinations`` hear of each new request."""

    def __init__(self, store: Database, ring: Ring, destinations: tuple[Destination, ...] = ()) -> None:
        self._store, self._ring, self._tell = store, ring, teller(destinations)

    async def use(self, wanted: Wanted, key: ValuesKey, given: str = "") -> Use:
        """Return the approval that the call may use; ``given`` is the id that the caller names.

        Whether it counts is judged with the intent. Raises Pending, and Refusal.
        """
        bound = bound_of(wanted, key)
        if given:
            return Use(given, bound)
        waiting, is_new = await self._attempt(self._find, wanted, bound)
        if waiting.state == "approved":
            return Use(waiting.id, bound)
        if waiting.state == "denied":
            raise Refusal("approval-denied")
        raise self.pending(waiting, is_new, wanted.target)

    def pending(self, waiting: Waiting, is_new: bool = False, target: Target | None = None) -> Pending:
        definition = (target.part or {}).get("definition") or {} if target is not None else {}
        return Pending(waiting, is_new, bool(definition.get("output")))

    async def sealed(self, caller: Caller, identity: str) -> Sealed:
        """Return what a caller asked for. Raises as ``standing`` does."""
        found: Sealed = await self._attempt(self.opened, await self.standing(caller, identity))
        return found

    async def standing(self, caller: Caller, identity: str) -> Waiting:
        """Return a caller's request that may run. Raises Pending, and Refusal: one answer for a missing and a foreign request."""
        waiting: Waiting | None = await self._attempt(self._get, caller.tenant, identity)
        if waiting is None or waiting.request.caller_uid != caller.uid:
            raise Refusal("not-found")
        if waiting.state == "pending":
            raise self.pending(waiting)
        if not waiting.request.sealed:
            raise Refusal(_WHY.get(waiting.state, "approval-expired"))
        return waiting

    async def why(self, use: Use) -> Code:
        """Return why an approval did not count."""
        waiting = await self._attempt(approvals.get, self._store, use.id)
        return _WHY.get(waiting.state, "approval-stale") if waiting is not None else "approval-stale"

    def opened(self, waiting: Waiting) -> Sealed:
        """Return what was sealed. Raises ReconcilerError."""
        return opened(waiting, self._ring)

    def _get(self, tenant: str, identity: str) -> Waiting | None:
        return approvals.get(self._store, identity, (tenant,)) if is_id(identity) else None

    def _find(self, wanted: Wanted, bound: str) -> tuple[Waiting, bool]:
        found = approvals.live(self._store, bound)
        if found is not None:
            return found, False
        try:
            return approvals.ask(self._store, self._request(wanted, bound), self._tell)
        except Full:
            raise Refusal("too-many-approvals", retry_after=RETRY_SECONDS) from None

    def _request(self, wanted: Wanted, bound: str) -> Request:
        caller, ask, identity = wanted.caller, wanted.ask, new_id()
        text = strict_json.write([ask.target, ask.action, dict(wanted.arguments)]).decode()
        sealed = seal(text, _place(caller.tenant, identity), self._ring.primary)
        who = caller.tenant, caller.name, caller.uid, *subject_of(caller)
        what = str(ask), wanted.target.action, wanted.decision.policy or "", wanted.decision.approval or Approval()
        return Request(identity, bound, *who, *what, sealed)

    async def _attempt(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Whatever the store or the keys say is for the log: the caller may try again."""
        try:
            return await in_thread(work, *arguments)
        except ReconcilerError:
            raise Refusal("unavailable", retry_after=1) from None


def opened(waiting: Waiting, ring: Ring) -> Sealed:
    """Return what was sealed for a request. Raises ReconcilerError."""
    text = unseal(waiting.request.sealed, _place(waiting.request.tenant, waiting.id), ring.by_id)
    return msgspec.convert(strict_json.read(text.encode()), Sealed)  # written by this program, and authenticated


def sealed_under(store: Database, key_id: str) -> list[str]:
    """Return the ids of requests that may still run, and whose values only this key opens. Raises what the store says."""
    live = [one for state in ("pending", "approved") for one in approvals.listed(store, (), MOST_LISTED, state=state)]
    return [one.id for one in live if one.request.sealed and Blob.parse(one.request.sealed).key_id == key_id]


def subject_of(caller: Caller) -> tuple[str, str]:
    """Return `iss` and `sub` of the token that proved a caller; "" twice for a key."""
    claims = caller.claims or {} if caller.issuer else {}
    return str(claims.get("iss") or ""), str(claims.get("sub") or "")


def bound_of(wanted: Wanted, key: ValuesKey) -> str:
    """Return the keyed hash of all that an approval holds for: any other call has another one."""
    caller, target, decision = wanted.caller, wanted.target, wanted.decision
    who = [caller.tenant, caller.uid, *subject_of(caller)]
    needed = decision.approval or Approval()
    terms = [decision.policy, [*needed.roles], *needed[1:]]
    specs = [one for of in (target, *wanted.ways) for one in of.once(_specs)]
    return key.hash(strict_json.write_sorted([who, str(wanted.ask), specs, terms, wanted.values]))


def _specs(target: Target) -> list[list[str]]:
    """Return the digests of all that the call goes through, pins included."""
    return [[str(one.known.address), one.known.uid, digest(one.body)] for one in target.chain]


def _place(tenant: str, identity: str) -> Bound:
    return Bound(tenant, identity, 1, _NAME)

"""The one judge of what would happen to a call: asked by the mediator, for lists of tools, by `access explain` and by access tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec import Struct

from reconciler.access.decide import Ask, Decision, decide, subject_of, tools_of
from reconciler.access.keys import holder_of
from reconciler.access.snapshot import Tenant
from reconciler.access.target import Target, tools_by
from reconciler.kinds.table import KINDS
from reconciler.model.access import ACTIONS
from reconciler.model.known import Known
from reconciler.model.status import Freeze, Status
from reconciler.model.target import APPROVAL, Identity, NoClaim


class ProvingToken(str):
    """A token that proved a caller; it shows itself nowhere."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Caller(NamedTuple):
    """A caller of a tenant. ``key`` is the id of its API key, "" where a token proved it; ``roles`` are those of the token.

    ``claims`` are the token's; None where they are not known. ``known`` is the resource behind the name, as it was when the
    call began.
    """

    tenant: str
    name: str
    key: str = ""
    roles: frozenset[str] = frozenset()
    claims: Mapping[str, Any] | None = MappingProxyType({})
    known: Known | None = None
    issuer: str = ""
    """The name of the issuer whose token proved the caller; "" for a key."""
    token: ProvingToken | None = None
    """That token, for connectors that exchange it."""

    def within(self, tenant: Tenant) -> Caller:
        """Return the caller with the resource that its name means in this snapshot; a call keeps it through a rename."""
        found = tenant.resource(f"caller/{self.name}")
        return self._replace(known=found.known if found else None)

    @property
    def uid(self) -> str:
        """The uid of the resource; the name where that is not known."""
        return (self.known.uid if self.known else "") or self.name

    @property
    def credential(self) -> str:
        """What proved the caller, as evidence names it: the id of a key, or `jwt:ISSUER`; "" where nothing had to."""
        return self.key or (f"jwt:{self.issuer}" if self.issuer else "")

    @property
    def identity(self) -> Identity:
        return Identity(self.name, self.claims or {})


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """A call to explain: nobody has proved who asks, so roles, claims and the id of a key are supposed."""

    caller: str
    target: str
    action: str | None = None
    roles: tuple[str, ...] = ()
    claims: dict[str, Any] | None = None
    key: str = ""

    @property
    def ask(self) -> Ask:
        return Ask(self.target, self.action)

    def caller_in(self, tenant: Tenant) -> Caller:
        """Return the supposed caller. Claims that are not given are not known, but for a caller that has no tokens."""
        found = tenant.resource(f"caller/{self.caller}")
        has_tokens = found is not None and found.body["auth"].get("jwt") is not None
        claims = self.claims if self.claims is not None or has_tokens else {}
        return Caller(tenant.name, self.caller, self.key, frozenset(self.roles), claims)


def explain(tenant: Tenant, status: Status | None, question: Question, now: datetime, has_key: bool = True) -> Decision:
    """Say what would happen to a call that nobody makes. A key that is named has to be one that proves the caller."""
    decision = judge(tenant, status, question.caller_in(tenant), question.ask, has_key)
    if status is None or not question.key or not decision.allowed:
        return decision
    key = status.keys.get(question.key)
    holder = holder_of(tenant, key, now) if key is not None and key.tenant == tenant.name else None
    is_good = holder is not None and holder.known.address.name == question.caller
    return decision if is_good else decision._replace(allowed=False, reason="key-refused", policy=None)


def judge(tenant: Tenant, status: Status | None, caller: Caller, ask: Ask, has_key: bool = True) -> Decision:
    """Decide a call; without ``status``, freezes are not looked at. A check that raises is no explicit allow.

    ``has_key``: the server can seal the values of a call that waits for an approval; without, such a call is denied.
    """
    try:
        decision = _judge(tenant, status, caller, ask)
    except Exception:
        return Decision(False, "check-failed")
    if decision.allowed and decision.approval is not None and not has_key:
        return decision._replace(allowed=False, reason="no-key")
    return decision


def _judge(tenant: Tenant, status: Status | None, caller: Caller, ask: Ask) -> Decision:
    subject = subject_of(tenant, caller.name, caller.roles)
    decision = Decision(False, subject) if isinstance(subject, str) else decide(tenant, subject, ask)
    if status is not None and status.freezes:
        freeze = frozen_by(status, caller.within(tenant), decision.target)
        if freeze is not None:
            return decision._replace(allowed=False, reason="frozen", policy=freeze.target, freeze=freeze)
    if decision.allowed and decision.target is not None and decision.target.alternatives:
        return _by_some_way(tenant, status, caller, decision, decision.target.alternatives)
    if not decision.allowed or decision.target is None:
        return decision
    if decision.target.asks_token and caller.claims is not None and not caller.claims:
        return decision._replace(allowed=False, reason="claim-missing", unproved=("sub",))
    if not decision.target.inputs.asks_identity:
        return decision
    return _proved(decision, decision.target, caller)


def _by_some_way(
    tenant: Tenant, status: Status | None, caller: Caller, decision: Decision, ways: tuple[str, ...]
) -> Decision:
    """Return the decision on a target that leads to one of several: why there is no way, where there is none."""
    found = [_judge(tenant, status, caller, Ask(way)) for way in ways]
    if any(one.allowed for one in found):
        return decision
    refused = found[0]
    return decision._replace(allowed=False, reason=refused.reason, policy=refused.policy, freeze=refused.freeze)


def _proved(decision: Decision, target: Target, caller: Caller) -> Decision:
    if caller.claims is None and target.inputs.claims:
        return decision._replace(unproved=target.inputs.claims)
    try:
        target.inputs.identify(caller.identity)
    except NoClaim:
        return decision._replace(allowed=False, reason="claim-missing", unproved=target.inputs.claims)
    return decision


def frozen_by(status: Status, caller: Caller, target: Target | None) -> Freeze | None:
    """Return the freeze that stops this caller, or its call of a target."""
    chain = [one.known for one in target.chain] if target else []
    tool, part = (target.tool, target.part_name) if target else ("", "")
    return status.freeze_of(caller.tenant, caller.known, caller.key, chain, tool, part)


def surface(tenant: Tenant, status: Status | None, caller: Caller, has_key: bool = True) -> dict[str, Target]:
    """Return exactly the tools that a caller may call, by their names, sorted."""
    subject = subject_of(tenant, caller.name, caller.roles)
    if isinstance(subject, str):
        return {}
    allowed = tools_of(tenant, subject).items()
    # the rest of a judgement can't say anything else about a target that asks for nothing: most callers have only such
    is_decided = not (status is not None and status.freezes) and (has_key or not tenant.once(asks_approvals))
    return {
        tool: target
        for tool, target in allowed
        if (is_decided and not target.asks_caller) or judge(tenant, status, caller, Ask(target.name), has_key).allowed
    }


def waits(tenant: Tenant, status: Status | None, caller: Caller) -> bool:
    """Whether a caller may call anything that waits for an approval."""
    if not tenant.once(asks_approvals):
        return False
    subject = subject_of(tenant, caller.name, caller.roles)
    if isinstance(subject, str):
        return False
    asks = [Ask(target.name) for target in tools_of(tenant, subject).values()]
    asks += [Ask(plane, action) for plane in tenant.names("plane") for action in ACTIONS]
    return any(
        decision.allowed and decision.approval for decision in (judge(tenant, status, caller, ask) for ask in asks)
    )


def asks_approvals(tenant: Tenant) -> bool:
    """Whether any policy, or any tool, asks for approvals."""
    kinds = [kind.name for kind in KINDS.values() if kind.calls is not None and kind.calls.parts is not None]
    wholes = [tenant.resource(name) for kind in kinds for name in tenant.names(kind)]
    parts = (tenant.target(name) for whole in wholes if whole is not None for name in tools_by(whole))
    return any(rule.approval for rule in tenant.allows) or any(
        isinstance(part, Target) and APPROVAL in part.obligations for part in parts
    )


def actions_of(
    tenant: Tenant, status: Status | None, caller: Caller, target: str, has_key: bool = True
) -> dict[str, Target]:
    """Return exactly the actions by which a caller may call a target that has several, such as a plane, sorted."""
    decided = {action: judge(tenant, status, caller, Ask(target, action), has_key) for action in sorted(ACTIONS)}
    return {action: one.target for action, one in decided.items() if one.allowed and one.target is not None}

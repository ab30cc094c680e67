"""Who asks, for what, in one snapshot: turned into allowed or not, by which policy and why. Deny is the default, and wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.access.memo import Memo
from reconciler.access.resource import Resource
from reconciler.access.rule import Rule, Subject, allowed_by_class, denied_by_class
from reconciler.access.snapshot import KEPT, Tenant
from reconciler.access.target import Target, tools_by
from reconciler.kinds.lifecycle import switched_off
from reconciler.kinds.table import KINDS
from reconciler.model.approval import Approval
from reconciler.model.status import Freeze
from reconciler.model.target import APPROVAL

REASONS = {
    "allowed": "a policy allows it, and none denies it",
    "no-policy": "no policy allows it",
    "grant-ended": "the policy that allowed it has ended",
    "denied": "a policy denies it",
    "unknown-caller": "there is no such caller",
    "caller-disabled": "the caller is switched off",
    "caller-drifted": "the caller is not as it was applied last",
    "caller-suspended": "the caller is suspended",
    "unknown-target": "there is no such target",
    "not-pinned": "what the tool does was never pinned; `reconciler mcp pin` does that",
    "unusable": "something behind the target is missing, is not valid, or does not fit what is asked of it",
    "inactive": "something behind the target is switched off",
    "suspended": "something behind the target is suspended",
    "not-for-agents": "something behind the target says `runtime: false`, so it is not meant for agents",
    "not-supported": "the runtime can't use what is behind the target yet",
    "tool-name-taken": "another target claims the name of its tool, so neither can be called by it",
    "access-roles": "the caller has none of the datasource's `access_roles`",
    "action-mismatch": "the target does something else than the call says",
    "frozen": "an operator has frozen it",
    "key-refused": "this key does not prove that caller: it is unknown, another's, revoked or expired",
    "no-key": "it needs an approval, and the server has no key to seal its values with",
    "claim-missing": "the caller's token lacks a claim that a parameter comes from",
    "check-failed": "it could not be decided",
    "policy-broken": "a policy in the database is not valid: what it denies can't be told",
}
"""Every reason, in words. A caller never learns it; evidence and operators do."""


class Decision(NamedTuple):
    """``policy`` decided, or the freeze of that target (None where neither did); ``target`` is None where there is none."""

    allowed: bool
    reason: str
    policy: str | None = None
    target: Target | None = None
    freeze: Freeze | None = None
    unproved: tuple[str, ...] = ()
    """Claims that the caller's token has to have: it lacks one, or its claims are not known."""
    approval: Approval | None = None
    """What has to happen before an allowed call runs: the policy says so, or else the tool."""

    @property
    def message(self) -> str:
        """The reason in words."""
        if self.freeze is not None:
            freeze = self.freeze
            return f"{freeze.target} is frozen since {freeze.frozen_at} by {freeze.frozen_by}: {freeze.reason}"
        claims = f" ({', '.join(self.unproved)})" if self.reason == "claim-missing" and self.unproved else ""
        unserved = self.target.unserved if self.target is not None else None
        if unserved is not None and unserved.reason == self.reason:
            return f"{REASONS[self.reason]}: {unserved.words}"
        words = f"; {self.approval.words}" if self.allowed and self.approval is not None else ""
        return REASONS[self.reason] + claims + words

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        return {
            "decision": "allow" if self.allowed else "deny",
            "reason": self.reason,
            "message": self.message,
            "policy": self.policy,
            "approval": self.approval._asdict() if self.allowed and self.approval is not None else None,
            "action": self.action,
            "classification": self.classification,
            "chain": [str(one.known.address) for one in self.chain],
            "drifted": self.drifted,
            "needs_claims": [*self.unproved],
        }

    @property
    def chain(self) -> tuple[Resource, ...]:
        """What the call goes through, the named target first."""
        return self.target.chain if self.target else ()

    @property
    def action(self) -> str | None:
        return self.target.action if self.target else None

    @property
    def classification(self) -> str | None:
        return self.target.classification if self.target else None

    @property
    def drifted(self) -> bool:
        return self.target is not None and self.target.drifted


class Ask(NamedTuple):
    """A target by its name, e.g. ``template/NAME``, and the action that the call names: a plane's has to."""

    target: str
    action: str | None = None

    def __str__(self) -> str:
        return f"{self.target}:{self.action}" if self.action else self.target


Key = tuple[str, frozenset[str], Ask]


def _decisions(_tenant: Tenant) -> Memo[Key, Decision]:
    return Memo()


def decide(tenant: Tenant, subject: Subject, ask: Ask) -> Decision:
    """Pure, and the same within one snapshot; remembered there, but for unknown targets: callers make up any number of those."""
    kept = tenant.once(_decisions)
    key = (subject.name, subject.roles, ask)
    found = kept.get(key)
    if found is None:
        found = _decide(tenant, subject, ask)
        if found.target is not None and ask.action in KEPT:
            kept.keep(key, found)
    return found


def subject_of(tenant: Tenant, name: str, more_roles: frozenset[str] = frozenset()) -> Subject | str:
    """Return the caller as a subject; the reason where nobody of that name may ask for anything."""
    caller = tenant.resource(f"caller/{name}")
    if caller is None:
        return "unknown-caller"
    if not caller.known.settled:
        return "caller-drifted"
    if caller.known.suspended:
        return "caller-suspended"
    if switched_off(caller.body):
        return "caller-disabled"
    return Subject(name, frozenset(caller.body["roles"]) | more_roles, caller.labels)


def _decide(tenant: Tenant, subject: Subject, ask: Ask) -> Decision:
    target = tenant.target(*ask)
    if isinstance(target, str):
        return Decision(False, target)
    does, in_force = target.action, target.classification

    def answer(allowed: bool, reason: str, rule: Rule | None = None) -> Decision:
        return Decision(allowed, reason, rule.name if rule else None, target)

    if ask.action is not None and ask.action != does:
        return answer(False, "action-mismatch")
    if tenant.broken is not None:
        return answer(False, "policy-broken")
    denies, allows = _rules_about(tenant, subject)
    for rule in denies:
        if (
            (rule.actions is None or does in rule.actions)
            and denied_by_class(rule, in_force)
            and rule.fits_any(target.things)
        ):
            return answer(False, "denied", rule)
    if reason := _unusable(tenant, subject, target):
        return answer(False, reason)
    if allow := allowing(allows, target):
        return answer(True, "allowed", allow)._replace(approval=_approval(allow, target))
    ended = allowing([rule for rule in tenant.ended if rule.about(subject)], target)
    return answer(False, "grant-ended", ended) if ended else answer(False, "no-policy")


def _approval(allow: Rule, target: Target) -> Approval | None:
    return allow.approval or (Approval() if APPROVAL in target.obligations else None)


def allowing(allows: Iterable[Rule], target: Target) -> Rule | None:
    """Return the first of some allows that reaches a target; for whom is not looked at.

    One without an approval goes before those with one: allows add up, and none takes away what another gives. For a target that
    waits for an approval anyway it is the other way round, so that a policy says who decides.
    """
    owner = target.chain[0].known.project
    # whom it is shared with is for its owner to say: of what somebody made by hand, nobody says it
    reach = set() if owner is None else {owner, *(target.chain[0].body.get("shared_with") or ())}
    found = None
    for rule in allows:
        concerned = rule.project in reach and (rule.actions is None or target.action in rule.actions)
        if concerned and allowed_by_class(rule, target.classification) and rule.fits(target.things[0]):
            if (rule.approval is not None) == (APPROVAL in target.obligations):
                return rule
            found = found or rule
    return found


def _concerns(_tenant: Tenant) -> Memo[tuple[str, frozenset[str]], tuple[tuple[Rule, ...], tuple[Rule, ...]]]:
    return Memo()


def _rules_about(tenant: Tenant, subject: Subject) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    """Return the denies and the allows about a subject, which are few of a tenant's; remembered for its other calls."""
    kept = tenant.once(_concerns)
    key = (subject.name, subject.roles)
    found = kept.get(key)
    if found is None:
        denies, allows = ([rule for rule in rules if rule.about(subject)] for rules in (tenant.denies, tenant.allows))
        found = tuple(denies), tuple(allows)
        kept.keep(key, found)
    return found


def _unusable(tenant: Tenant, subject: Subject, target: Target) -> str | None:
    """Why a subject can't use a target whatever policies allow; None where it can."""
    if reason := barred(tenant, target):
        return reason
    return None if all(_has_role(subject, one) for one in target.data) else "access-roles"


def barred(tenant: Tenant, target: Target) -> str | None:
    """Why nobody can use a target whatever policies allow; None where somebody can."""
    kept = tenant.once(_bars)
    key = (target.name, target.action)  # a way of a route has a name of its own
    found = kept.get(key)
    if found is None:
        found = (_barred(tenant, target),)
        kept.keep(key, found)
    return found[0]


def _bars(_tenant: Tenant) -> Memo[tuple[str, str], tuple[str | None]]:
    return Memo()


def _barred(tenant: Tenant, target: Target) -> str | None:
    if any(one.known.suspended for one in target.chain):
        return "suspended"
    if any(switched_off(one.body) for one in target.chain):
        return "inactive"
    if target.unserved is not None:
        return target.unserved.reason
    if target.is_tool and len(tenant.once(_claims)[target.tool]) > 1:
        return "tool-name-taken"
    return None


def _has_role(subject: Subject, datasource: Resource) -> bool:
    asked = datasource.body["access_roles"]
    return not asked or not subject.roles.isdisjoint(asked)


def _claims(tenant: Tenant) -> Mapping[str, Sequence[str]]:
    """Return the targets that claim each tool's name, sorted: two pipelines can bring about that there is more than one."""
    found: dict[str, list[str]] = {}
    kinds = [name for name, kind in KINDS.items() if kind.calls is not None]
    for resource in (tenant.resource(name) for kind in kinds for name in tenant.names(kind)):
        for target, tool in tools_by(resource).items() if resource is not None else ():
            found.setdefault(tool, []).append(target)
    return dict(sorted(found.items()))


def target_of_tool(tenant: Tenant, tool: str) -> str | None:
    """Return the target that a tool's name stands for. Of several, the first: a call of it is denied, and evidence says why."""
    return next(iter(tenant.once(_claims).get(tool, ())), None)


Surface = tuple[str, frozenset[str]]


def _surfaces(_tenant: Tenant) -> Memo[Surface, Mapping[str, Target]]:
    return Memo(1000)


def tools_of(tenant: Tenant, subject: Subject) -> Mapping[str, Target]:
    """Return the tools that policies let a subject call, and no others, sorted by name."""
    kept = tenant.once(_surfaces)
    key = (subject.name, subject.roles)
    found = kept.get(key)
    if found is None:
        decided = ((tool, decide(tenant, subject, Ask(claims[0]))) for tool, claims in tenant.once(_claims).items())
        found = {tool: one.target for tool, one in decided if one.allowed and one.target is not None}
        kept.keep(key, found)
    return found

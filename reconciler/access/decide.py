"""Who asks, for what, in one snapshot: turned into allowed or not, by which policy and why. Deny is the default, and wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from reconciler.access.rule import Rule, Subject, Thing, allowed_by_class, denied_by_class, highest
from reconciler.access.snapshot import Resource, Tenant
from reconciler.kinds.template.action import action_of

REASONS = {
    "allowed": "a policy allows it, and none denies it",
    "no-policy": "no policy allows it",
    "denied": "a policy denies it",
    "unknown-caller": "there is no such caller",
    "caller-disabled": "the caller is switched off",
    "caller-drifted": "the caller is not as it was applied last",
    "caller-suspended": "the caller is suspended",
    "unknown-target": "there is no such target",
    "unusable": "something behind the target is missing or not valid",
    "inactive": "the datasource behind the target is switched off",
    "suspended": "something behind the target is suspended",
    "access-roles": "the caller has none of the datasource's `access_roles`",
    "action-mismatch": "the target does something else than the call says",
    "frozen": "an operator has frozen it",
    "claim-missing": "the caller's token lacks a claim that a parameter comes from",
    "check-failed": "it could not be decided",
    "policy-broken": "a policy in the database is not valid: what it denies can't be told",
}
"""Every reason, in words. A caller never learns it; evidence and operators do."""


class Decision(NamedTuple):
    """``policy`` decided (None where none did); ``chain`` is what the call goes through, the named target first."""

    allowed: bool
    reason: str
    policy: str | None = None
    action: str | None = None
    classification: str | None = None
    chain: tuple[Resource, ...] = ()
    drifted: bool = False


class Ask(NamedTuple):
    """``target`` is ``template/NAME`` or ``plane/NAME``; ``action`` what the call says it does, if it says so: a plane's has to."""

    target: str
    action: str | None = None


def decide(tenant: Tenant, subject: Subject, ask: Ask) -> Decision:
    """Pure, and the same within one snapshot; remembered there."""
    key = (subject.name, subject.roles, ask)
    found: Decision | None = tenant.decisions.get(key)
    if found is None:
        found = _decide(tenant, subject, ask)
        if found.chain:  # of what is not there, anybody can make up any number of names
            tenant.decisions[key] = found
    return found


def subject_of(tenant: Tenant, name: str, more_roles: frozenset[str] = frozenset()) -> Subject | str:
    """The caller as a subject; the reason where nobody of that name may ask for anything."""
    caller = tenant.resource(f"caller/{name}")
    if caller is None:
        return "unknown-caller"
    if not caller.known.settled:
        return "caller-drifted"
    if caller.known.suspended:
        return "caller-suspended"
    if not caller.body["enabled"]:
        return "caller-disabled"
    return Subject(name, frozenset(caller.body["roles"]) | more_roles, caller.labels)


def _decide(tenant: Tenant, subject: Subject, ask: Ask) -> Decision:
    chain = _chain(tenant, ask)
    if isinstance(chain, str):
        return Decision(False, chain)
    template = next(one for one in chain if one.known.address.kind == "template")
    read = [one for one in chain if one.known.address.kind == "datasource"]
    does, in_force = action_of(template.body), highest([one.body.get("classification") for one in read])
    drifted = not all(one.known.settled for one in chain)

    def answer(allowed: bool, reason: str, rule: Rule | None = None) -> Decision:
        return Decision(allowed, reason, rule.name if rule else None, does, in_force, chain, drifted)

    if ask.action is not None and ask.action != does:
        return answer(False, "action-mismatch")
    if tenant.broken is not None:
        return answer(False, "policy-broken")
    things = [Thing(_name(one), one.labels) for one in chain]
    for rule in tenant.denies:
        concerned = (rule.actions is None or does in rule.actions) and rule.about(subject)
        if concerned and denied_by_class(rule, in_force) and any(rule.fits(thing) for thing in things):
            return answer(False, "denied", rule)
    if any(one.known.suspended for one in chain):
        return answer(False, "suspended")
    if any(one.body["lifecycle"] == "inactive" for one in read):
        return answer(False, "inactive")
    if not all(_has_role(subject, one) for one in read):
        return answer(False, "access-roles")
    owner = chain[0].known.project
    # whom it is shared with is for its owner to say: of what somebody made by hand, nobody says it
    reach = set() if owner is None else {owner, *(chain[0].body.get("shared_with") or ())}
    for rule in tenant.allows:
        concerned = rule.project in reach and (rule.actions is None or does in rule.actions) and rule.about(subject)
        if concerned and allowed_by_class(rule, in_force) and rule.fits(things[0]):
            return answer(True, "allowed", rule)
    return answer(False, "no-policy")


def _name(one: Resource) -> str:
    return f"{one.known.address.kind}/{one.known.address.name}"


def _has_role(subject: Subject, datasource: Resource) -> bool:
    asked = datasource.body["access_roles"]
    return not asked or not subject.roles.isdisjoint(asked)


def _chain(tenant: Tenant, ask: Ask) -> tuple[Resource, ...] | str:
    """The named target and everything behind it; the reason where that is not whole."""
    kind = ask.target.partition("/")[0]
    named = tenant.resource(ask.target) if kind in {"template", "plane"} else None
    if named is None:
        return "unknown-target"
    chain = [named]
    if kind == "plane":
        runs = named.body["actions"].get(ask.action)
        if runs is None:
            return "unknown-target"
        template = tenant.resource(runs) if runs.startswith("template/") else None
        if template is None or template.body.get("datasource") not in named.body["datasources"]:
            return "unusable"
        chain.append(template)
    body = chain[-1].body
    if datasource := body.get("datasource"):
        found = tenant.resource(f"datasource/{datasource}")
        if found is None:
            return "unusable"
        chain.append(found)
        body = found.body
    connector = tenant.resource(f"connector/{body['connector']}")
    return "unusable" if connector is None else (*chain, connector)


def tools(tenant: Tenant) -> Mapping[str, str]:
    """Every template's target by the name that agents see. A name that two templates claim (two pipelines can bring that
    about) is neither's."""
    found: dict[str, str | None] | None = tenant.decisions.get("tools")
    if found is None:
        found = {}
        for target in tenant.names("template"):
            template = tenant.resource(target)
            if template is not None:
                name = tool_of([template])
                found[name] = None if name in found else target
        tenant.decisions["tools"] = found = {name: target for name, target in sorted(found.items()) if target}
    named: Any = found
    return cast("Mapping[str, str]", named)


def tool_of(chain: Sequence[Resource]) -> str:
    """Return the name under which agents see the template of a call; "" where there is none."""
    templates = (one for one in chain if one.known.address.kind == "template")
    return next((str(one.body.get("tool_name") or one.known.address.name) for one in templates), "")


def tools_of(tenant: Tenant, subject: Subject) -> Mapping[str, str]:
    """Those that a caller may call, and no others, sorted by name."""
    key = ("tools", subject.name, subject.roles)
    found: Mapping[str, str] | None = tenant.decisions.get(key)
    if found is None:
        allowed = {
            name: target for name, target in tools(tenant).items() if decide(tenant, subject, Ask(target)).allowed
        }
        found = tenant.decisions[key] = allowed
    return found

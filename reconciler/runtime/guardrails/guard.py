"""A tenant's guardrails, compiled: which of them are about a call, in their order, and what each looks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple, TypeAlias

from reconciler.access.memo import Memo
from reconciler.access.rule import Rule
from reconciler.access.snapshot import Tenant, valid
from reconciler.access.target import Target
from reconciler.kinds.guardrail import KIND, Phase
from reconciler.model.body import Body
from reconciler.model.price import PICO
from reconciler.runtime.guardrails.cards import CARD, IBAN, PHONE, SSN
from reconciler.runtime.guardrails.detector import Detector
from reconciler.runtime.guardrails.patterns import NotUsable, detector_of
from reconciler.runtime.guardrails.texts import AWS_KEY, EMAIL, PRIVATE_KEY

Action: TypeAlias = Literal["warn", "redact", "block"]
BUILTIN: Mapping[str, Detector] = {one.name: one for one in (PRIVATE_KEY, AWS_KEY, CARD, IBAN, SSN, EMAIL, PHONE)}
"""In the order in which the first counts, where two begin at one place and are of one length."""
_KIND = KIND.name


class Blocked(Exception):
    """A guardrail refuses. ``guardrail`` is its name; what it found is nowhere."""

    def __init__(self, guardrail: str) -> None:
        super().__init__(guardrail)
        self.guardrail = guardrail


class Guard(NamedTuple):
    """One guardrail. ``is_broken``: nobody can say what it looks for, so that it refuses all that it is about."""

    name: str
    phases: frozenset[str]
    action: Action
    order: int = 100
    detectors: tuple[Detector, ...] = ()
    most_bytes: int | None = None
    most_cost: int | None = None
    """In pico-dollars."""
    models: tuple[str, ...] | None = None
    is_broken: bool = False

    def takes(self, model: str) -> bool:
        """Whether a model may be asked for."""
        return self.models is None or any(fnmatchcase(model, one) for one in self.models)


class Hits:
    """How often guardrails found something in one call: names and counts are all that is kept."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, guard: Guard, count: int = 1) -> None:
        """Count what a guardrail found. Raises Blocked if it refuses that."""
        if count:
            self.counts[guard.name] += count
            if guard.action == "block":
                raise Blocked(guard.name)

    def require_whole(self, guard: Guard) -> None:
        """Refuse a call of which a broken guardrail can say nothing. Raises Blocked."""
        if guard.is_broken and guard.action != "warn":
            self.counts[guard.name] += 1
            raise Blocked(guard.name)


def guards_of(tenant: Tenant, target: Target, phase: Phase) -> tuple[Guard, ...]:
    """Return the guardrails about a call, the lowest priority first: about anything that it goes through."""
    kept = tenant.once(_kept)
    key = (target.name, target.action, phase)
    found = kept.get(key)
    if found is None:
        found = tuple(
            guard for rule, guard in tenant.once(_compiled) if phase in guard.phases and rule.fits_any(target.things)
        )
        kept.keep(key, found)
    return found


def _kept(_tenant: Tenant) -> Memo[tuple[str, str, Phase], tuple[Guard, ...]]:
    return Memo()


def _compiled(tenant: Tenant) -> Sequence[tuple[Rule, Guard]]:
    """Return every guardrail in force: what is live counts, and what was applied does until an apply takes it back."""
    found = []
    for name, known in sorted(tenant.resources.items()):
        if known.address.kind != _KIND:
            continue
        for text in (known.live, known.applied):
            body = valid(known.address, text)
            if text is not None and (body is None or body["enabled"]):
                found.append((_rule(name, body), guard_of(known.address.name, body)))
    return sorted(found, key=lambda one: (one[1].order, one[1].name))


def _rule(name: str, body: Body | None) -> Rule:
    names = tuple(body["targets"]["names"]) if body is not None else None
    return Rule(name, "", None, None, None, None, names, None, None)


def guard_of(name: str, body: Body | None) -> Guard:
    """Return a guardrail of a valid body; one that can't be used is broken."""
    if body is None:
        return Guard(name, frozenset({"input", "output"}), "block", is_broken=True)
    check = body["check"]
    guard = Guard(name, frozenset(body["phases"]), body["action"], body["priority"])
    if check["type"] == "size":
        return guard._replace(most_bytes=check["max_bytes"])
    if check["type"] == "cost":
        return guard._replace(most_cost=int(Decimal(check["max_usd"]) * PICO))
    if check["type"] == "models":
        return guard._replace(models=tuple(check["allow"]))
    try:
        own = [detector_of(pattern, text) for pattern, text in check["patterns"].items()]
    except NotUsable:
        return guard._replace(is_broken=True)
    return guard._replace(detectors=(*(one for one in BUILTIN.values() if one.name in check["builtin"]), *own))

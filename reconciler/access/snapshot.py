"""All that is known, at one generation, turned into tenants that are compiled when somebody asks about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

import orjson
from msgspec import Struct, field

from reconciler.access.resource import Resource
from reconciler.access.rule import Rule, rule_of
from reconciler.access.target import Target, resolve
from reconciler.kinds.parse import parse, upgrade
from reconciler.kinds.table import KINDS
from reconciler.model.access import ACTIONS
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.known import Known, Text
from reconciler.model.spec import Spec

T = TypeVar("T")
KEPT = frozenset({None, *ACTIONS})
"""Actions of calls whose answers are kept; a call may say anything."""


def unknown_day() -> date:
    """Return the day where nobody says which it is: every grant that ends has ended."""
    return date.max


class Tenant(Struct, dict=True):
    """One tenant's resources by ``kind/name``; each is read when it is asked for, and the policies once."""

    name: str
    resources: Mapping[str, Known]
    like: Tenant | None = None
    """Another reading of the tenant: what is the same object in both is read once, there."""
    today: Callable[[], date] = unknown_day
    """Asked at each decision of a tenant with grants that end."""
    _read: dict[str, Resource | None] = field(default_factory=dict)
    _targets: dict[tuple[str, str | None], Target] = field(default_factory=dict)
    _made: dict[Callable[[Tenant], Any], Any] = field(default_factory=dict)
    _day: date | None = None

    def resource(self, name: str) -> Resource | None:
        """None for what is not live, or not valid: nobody can use that.

        Misses are not kept: callers could fill memory with made-up names.
        """
        if name in self._read:
            return self._read[name]
        known = self.resources.get(name)
        if known is None:
            return None
        if self.like is not None and self.like.resources.get(name) is known:
            return self.like.resource(name)
        body = valid(known.address, known.live)
        found = self._read[name] = None if body is None else Resource(known, body)
        return found

    def target(self, name: str, action: str | None = None) -> Target | str:
        """Return what a call of this name, with the action that it asks for if any, is about; the reason where nothing is."""
        found = self._targets.get((name, action))
        if found is not None:
            return found
        made = resolve(self.name, name, action, self.resource)
        if isinstance(made, Target) and action in KEPT:
            self._targets[name, action] = made
        return made

    def once(self, make: Callable[[Tenant], T]) -> T:
        """Return what a function makes of this tenant, which is made once, and anew on each day if grants end."""
        day = self.today() if self.ends else None
        if day != self._day:
            self._made.clear()
            self._day = day
        if make not in self._made:
            self._made[make] = make(self)
        made: T = self._made[make]
        return made

    def names(self, kind: str) -> list[str]:
        """``kind/name`` of all that is live of a kind, sorted."""
        return sorted(
            name for name, known in self.resources.items() if known.address.kind == kind and known.live is not None
        )

    def caller_with(self, uid: str) -> Resource | None:
        """Return the caller with this uid, whatever its name is now."""
        name = self._callers.get(uid)
        return self.resource(name) if name else None

    @cached_property
    def _callers(self) -> Mapping[str, str]:
        found = ((name, known) for name, known in self.resources.items() if known.address.kind == "caller")
        return {known.uid: name for name, known in found if known.live is not None}

    @property
    def allows(self) -> tuple[Rule, ...]:
        """Return the allows that count today."""
        if not self.ends:
            return self._granted
        today = self.today()
        return tuple(rule for rule in self._granted if rule.until is None or today <= rule.until)

    @property
    def ended(self) -> tuple[Rule, ...]:
        """Return the allows that counted until some day before today."""
        today = self.today() if self.ends else date.min
        return tuple(rule for rule in self._granted if rule.until is not None and today > rule.until)

    @cached_property
    def ends(self) -> frozenset[date]:
        """The last days of grants that end."""
        return frozenset(rule.until for rule in self._granted if rule.until is not None)

    @cached_property
    def _granted(self) -> tuple[Rule, ...]:
        """An allow counts only as it was applied."""
        return tuple(
            rule_of(name, known.project, body)
            for name, known in self._policies
            if known.settled and (body := valid(known.address, known.live)) is not None and body["effect"] == "allow"
        )

    @cached_property
    def denies(self) -> tuple[Rule, ...]:
        """A deny counts at once, whoever made it; and one that was applied counts until an apply takes it back."""
        found = []
        for name, known in self._policies:
            bodies = [valid(known.address, text) for text in (known.live, known.applied)]
            found += [rule_of(name, known.project, body) for body in bodies if body and body["effect"] == "deny"]
        return tuple(found)

    @cached_property
    def broken(self) -> str | None:
        """A policy of which nobody can say what it denies: nothing is allowed in this tenant until it is mended."""
        unread = (
            n for n, known in self._policies if known.live is not None and valid(known.address, known.live) is None
        )
        return next(unread, None)

    @property
    def _policies(self) -> list[tuple[str, Known]]:
        return sorted((name, known) for name, known in self.resources.items() if known.address.kind == "policy")


def valid(address: Address, text: Text | None) -> Body | None:
    """Return the body as this program's specs write it; None where it is none of theirs (anybody may write into the database)."""
    kind = KINDS.get(address.kind)
    if kind is None or text is None or text.spec_version > kind.spec_version:
        return None
    try:
        raw = orjson.loads(text.json)
        spec = parse(kind, upgrade(kind, raw, text.spec_version), address) if isinstance(raw, dict) else ()
    except Exception:
        # a step of an upgrade may count on what somebody has taken out of the body by hand
        return None
    return spec.normalised() if isinstance(spec, Spec) else None


class Snapshot(Struct, frozen=True, dict=True):
    """What is in force, by tenant; ``generation`` says by project which apply it comes from."""

    tenants: Mapping[str, Tenant]
    generations: Mapping[str, int] = field(default_factory=dict)

    def tenant(self, name: str) -> Tenant:
        """One that is not there has nothing in it: it looks like any other that denies."""
        return self.tenants.get(name) or Tenant(name, {})

    @cached_property
    def by_issuer(self) -> Mapping[str, Sequence[tuple[str, str, Body]]]:
        """Callers that prove who they are by a token: tenant, name and what the token has to say, by issuer."""
        found: dict[str, list[tuple[str, str, Body]]] = defaultdict(list)
        for name, tenant in sorted(self.tenants.items()):
            for caller in map(tenant.resource, tenant.names("caller")):
                if caller is not None and caller.known.settled and (jwt := caller.body["auth"].get("jwt")):
                    found[jwt["issuer"]].append((name, caller.known.address.name, jwt))
        return found


def snapshot_of(
    known: Iterable[Known], generations: Mapping[str, int] | None = None, today: Callable[[], date] = unknown_day
) -> Snapshot:
    """Sort what is known of resources by tenant; `generations` are those in force."""
    found: dict[str, dict[str, Known]] = defaultdict(dict)
    for one in known:
        found[one.address.tenant][f"{one.address.kind}/{one.address.name}"] = one
    return Snapshot({name: Tenant(name, one, today=today) for name, one in found.items()}, generations or {})

"""What names stand for before a plan and after it: the same resource, another one, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TypeAlias

from reconciler.errors import Refused
from reconciler.kinds.facts import hosts_in
from reconciler.kinds.meaning import normal
from reconciler.kinds.table import KINDS
from reconciler.kinds.tool import tools_in
from reconciler.model.address import Address
from reconciler.model.body import Body, digest_of_text
from reconciler.model.kind import Lookup
from reconciler.model.live import Applied
from reconciler.model.plan import Action, Change
from reconciler.planner.sharing import NO_HOLDERS, Holders, secrets_of, taken_up

Moves: TypeAlias = Mapping[Address, Address]
"""The new address of every resource that a plan moves, by its old one."""
NO_MOVES: Moves = MappingProxyType({})
Records: TypeAlias = Callable[[Address], Applied | None]
"""Finds what was last applied at an address."""


def moves_of(changes: Iterable[Change]) -> Moves:
    """Return the new address by the old one, for every moved resource."""
    return {change.previous: change.address for change in changes if change.previous is not None}


class Names:
    """The names that some changes are about, those that they refer to, and the secrets that they use.

    ``live`` finds what is live before them, ``holders`` are the live resources that use the secrets that changes take up.
    """

    def __init__(
        self, changes: Sequence[Change], live: Lookup, records: Records, holders: Holders = NO_HOLDERS
    ) -> None:
        self._changes, self._holders = changes, holders
        self.moves = moves_of(changes)
        self._live, self._records = live, records
        self._made = {c.address: c for c in changes if c.new is not None and c.action is not Action.FORGET}
        self._left = {c.address: c for c in changes if c.action is Action.DELETE}
        self._left |= {c.previous: c for c in changes if c.previous is not None}

    def before(self, address: Address) -> Body | None:
        """Return the live body, or the one last applied where there is no valid one."""
        found = self._live(address)
        return self._recorded(address) if found is None else found.body

    def after(self, address: Address) -> Body | None:
        if (made := self._made.get(address)) is not None:
            return made.after
        return None if address in self._left else self.before(address)

    def former(self, change: Change) -> Body | None:
        """Return the body of another resource that had the name which this one gets."""
        if change.action is not Action.CREATE and change.previous is None:
            return None
        left = self._left.get(change.address)
        return self._recorded(change.address) if left is None else left.before

    def former_tools(self, change: Change) -> Iterator[Body]:
        """Yield the bodies of other resources of the kind that agents knew by the name of a tool that this one gets."""
        for tool in _tools_after(change) - _tools_before(change) if self._freed and _may_rename(change) else ():
            freed = self._freed.get((change.address.tenant, tool))
            if freed is not None and freed is not change and freed.address.kind == change.address.kind:
                yield freed.before or {}

    @cached_property
    def _freed(self) -> Mapping[tuple[str, str], Change]:
        """What agents knew by each name of a tool that it loses."""
        losing = (one for one in self._changes if one.old is not None and _may_rename(one))
        return {(one.address.tenant, tool): one for one in losing for tool in _tools_before(one) - _tools_after(one)}

    def means_more(self, change: Change) -> bool:
        """Whether a name or a secret of a creation stood for something before."""
        if change.address in self._left or self._records(change.address) is not None:
            return True
        # most of a large plan is new, and in its place nothing was freed
        return bool((self._freed and any(self.former_tools(change))) or (self._holders and self._uses(change)))

    def ended_with_secrets_of(self, change: Change) -> Iterator[Body]:
        """Yield the bodies of the same kind that end here and used a secret of what begins."""
        for address in {holder for holders in self._uses(change).values() for holder in holders}:
            left = self._left.get(address)
            if left is not None and left.new is None and address.kind == change.address.kind:
                yield left.before or {}

    def sends_secrets_elsewhere(self, change: Change) -> bool:
        """Whether a secret in use, which a change takes up, is sent to a host to which nothing that uses it sends it."""
        uses = self._uses(change)
        hosts = hosts_in(KINDS[change.address.kind], change.after or {}) if uses else frozenset()
        return any(hosts - self._hosts(secret, holders) for secret, holders in uses.items())

    def _uses(self, change: Change) -> Mapping[str, Sequence[Address]]:
        """Return the live resources that use the secrets which a change takes up, by secret."""
        tenant, own = change.address.tenant, {change.address, change.previous}
        found = {one for one in taken_up(change) if (tenant, one) in self._holders}
        used = found & secrets_of(change.after or {}) if found else ()
        uses = ((one, [a for a in self._holders[tenant, one] if a not in own]) for one in used)
        return {one: holders for one, holders in uses if holders}

    def _hosts(self, secret: str, holders: Iterable[Address]) -> frozenset[str]:
        found: set[str] = set()
        for address in holders:
            body = self.before(address)
            if body is not None and secret in secrets_of(body):
                found |= hosts_in(KINDS[address.kind], body)
        return frozenset(found)

    def last_applied(self, change: Change) -> Body | None:
        """Return what is in force of a resource, if what is live is something else: what somebody wrote by hand never was."""
        place = change.previous or change.address
        record = self._records(place)
        if record is None or record.uid != change.uid or record.digest == digest_of_text(change.old_text or ""):
            return None
        return self._recorded(place)

    def _recorded(self, address: Address) -> Body | None:
        record = self._records(address)
        if record is None or record.forged:
            return None
        try:
            return normal(record).body
        except Refused:
            return None


def _may_rename(change: Change) -> bool:
    """Whether agents may know a resource by another name of a tool afterwards."""
    kind = KINDS.get(change.address.kind)
    if kind is None or kind.calls is None:
        return False
    lasts = change.old is not None and change.new is not None and change.action is not Action.FORGET
    texts = (change.old_text or "", change.new_text or "")
    return (
        not lasts or change.previous is not None or any(f'"{name}"' in text for name in kind.unique for text in texts)
    )


def _tools_before(change: Change) -> frozenset[str]:
    body = change.before
    return frozenset() if body is None else tools_in(change.previous or change.address, body)


def _tools_after(change: Change) -> frozenset[str]:
    body = None if change.action is Action.FORGET else change.after
    return frozenset() if body is None else tools_in(change.address, body)

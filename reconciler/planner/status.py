"""What operators decided about the resources of a plan, written at each change: who froze it, how many keys it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from reconciler.kinds.tool import names_of
from reconciler.model.amount import amount
from reconciler.model.plan import Action, Change, Plan
from reconciler.model.status import Freeze, Held

MOST_NOTES = 20
GONE = "a new resource of this name is not frozen"


def with_status(plan: Plan, held: Held) -> Plan:
    """Return the plan with the status of everything that it renames, replaces, deletes, updates or makes anew."""
    if held == Held():
        return plan
    found = _Found(held)
    changes = tuple(
        replace(change, status=status) if (status := (*found.of(change),)) else change for change in plan.changes
    )
    notes = [note for change in changes for note in found.notes(change)]
    more = [f"and {len(notes) - MOST_NOTES} more changes of what is frozen"] if len(notes) > MOST_NOTES else []
    return replace(plan, changes=changes, notes=(*plan.notes, *notes[:MOST_NOTES], *more))


class _Found:
    """The same by what a change is asked about: names that are frozen, names that were, and uids."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._by_uid: dict[tuple[str, str], Freeze] = {}
        self._parts: dict[tuple[str, str], list[tuple[str, Freeze]]] = {}
        """By the uid of a resource: the parts of it that are frozen, such as tools."""
        self._by_name: dict[str, Freeze] = {}
        self._former: dict[str, Freeze] = {}
        for entry in held.freezes:
            one = entry.freeze
            if one.uid is None:
                self._by_name[one.target] = one
            else:
                self._by_uid[one.tenant or "", one.uid] = one
                whole, _, part = one.uid.partition("/")
                if part:
                    self._parts.setdefault((one.tenant or "", whole), []).append((part, one))
            if entry.state == "ended":
                self._former[one.target] = one

    def of(self, change: Change) -> Iterator[str]:
        key = (change.address.tenant, change.uid or "")
        gone, ends = change.action is Action.DELETE, change.action.destroys
        if freeze := self._frozen(change):
            yield f"{freeze}{'; ends with it' if gone else '; stays frozen' if change.action is Action.REPLACE else ''}"
        elif coming := self._awaiting(change):
            yield f"will be {coming}"
        elif self._is_anew(change) and (former := self._former.get(str(change.address))):
            yield f"not frozen: a former {former.target} was {former}"
        for part, one in self._parts.get(key, ()):
            yield f"{part} {one}{'; ends with it' if gone else ''}"
        if keys := self._held.keys.get(key):
            yield f"{amount(keys, 'key')}{_end(keys) if ends else ''}"
        if suspended := self._held.suspended.get(key):
            yield f"suspended {suspended}{_end(1) if ends else ''}"
        yield from self._held.used.get(key, ())
        yield from self._back(change) if change.restored_uid else ()

    def _back(self, change: Change) -> Iterator[str]:
        """Yield what a uid that comes back brings with it: whatever operators decided about it is in force again."""
        key = (change.address.tenant, change.restored_uid or "")
        if freeze := self._by_uid.get(key):
            yield f"comes back {freeze}"
        if keys := self._held.keys.get(key):
            yield f"comes back with {amount(keys, 'key')}"
        if suspended := self._held.suspended.get(key):
            yield f"comes back suspended {suspended}"

    def _is_anew(self, change: Change) -> bool:
        """Whether a creation begins another life than one that a freeze is about."""
        back = (change.address.tenant, change.restored_uid or "")
        return change.action is Action.CREATE and back not in self._by_uid

    def notes(self, change: Change) -> Iterator[str]:
        """Where a freeze goes, if the change ends the resource's life, or begins one under a name that was frozen."""
        if change.action is Action.DELETE and self._frozen(change):
            yield f"{change.address} is frozen, and its freeze ends with it: {GONE}"
        elif change.action is Action.REPLACE and self._frozen(change):
            yield f"{change.address} is frozen, and what takes its place stays frozen"
        elif self._awaiting(change):
            yield f"{change.address} is frozen by its name: {change.previous} stops when it takes that name"
        elif self._is_anew(change) and not self._frozen(change) and str(change.address) in self._former:
            yield f"a former {change.address} was frozen, and this one is new: it is not"

    def _awaiting(self, change: Change) -> Freeze | None:
        """Return the freeze that was set ahead of time on the name that a resource is to take."""
        if change.previous is None or self._frozen(change):
            return None
        return self._on_name(names_of(change.address, change.after or {}))

    def _on_name(self, names: Iterable[str]) -> Freeze | None:
        return next((self._by_name[name] for name in sorted(names) if name in self._by_name), None)

    def _frozen(self, change: Change) -> Freeze | None:
        found = self._by_uid.get((change.address.tenant, change.uid or ""))
        if found is not None or not self._by_name:
            return found
        return self._on_name(names_of(change.previous or change.address, change.before or change.after or {}))


def _end(count: int) -> str:
    return f"; {'ends' if count == 1 else 'end'} with it"

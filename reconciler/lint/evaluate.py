"""``holds``: a condition and what it is about turned into yes or no; pure, and without a word that can take for ever."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, NamedTuple

from reconciler.errors import Path
from reconciler.kinds.table import KINDS
from reconciler.kinds.template.pattern import matches
from reconciler.lint.condition import Condition, InTenant, Related, keys_of, several
from reconciler.model.address import Address
from reconciler.model.resource import Resource, State

MISSING: Any = None
"""What stands where nothing does: bodies hold no nulls."""
_EMPTY: tuple[Any, ...] = ("", (), [], {}, MISSING)
_AMOUNT = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")


class Subject(NamedTuple):
    """A value, where it stands, and whose it is; what somebody wrote is looked up only where a rule asks for it."""

    value: Any
    path: Path = ()
    address: Address | None = None
    explicit: Callable[[], frozenset[Path]] = frozenset

    def below(self, keys: Path) -> Subject:
        value = self.value
        for key in keys:
            value = value.get(key, MISSING) if isinstance(value, Mapping) else MISSING
        return self._replace(value=value, path=(*self.path, *keys))

    def entries(self) -> Iterator[Subject]:
        """Yield the items of a list or the values of a map."""
        if isinstance(self.value, Mapping):
            for key, item in self.value.items():
                yield self._replace(value=item, path=(*self.path, key))
        elif isinstance(self.value, list | tuple):
            for number, item in enumerate(self.value):
                yield self._replace(value=item, path=(*self.path, number))

    def found(self, pattern: tuple[str, ...]) -> Iterator[Subject]:
        """Yield what is there at a path in which ``*`` is every key or item."""
        if not pattern:
            yield self
        elif pattern[0] == "*":
            for one in self.entries():
                yield from one.found(pattern[1:])
        elif isinstance(self.value, Mapping) and pattern[0] in self.value:
            yield from self.below(pattern[:1]).found(pattern[1:])


def of_resource(resource: Resource) -> Subject:
    """Return a resource as the subject of a rule."""
    return Subject(resource.body, (), resource.address, lambda: resource.explicit)


class World:
    """The resources that conditions may ask for, and what was answered already: a hub is asked about many times."""

    def __init__(self, resources: State) -> None:
        self._resources = resources
        self._answers: dict[tuple[int, Address], bool] = {}
        self._in_tenant: dict[tuple[int, str], bool] = {}

    @cached_property
    def _references(self) -> dict[Address, list[tuple[str, Address]]]:
        """What each resource refers to, with the field that does."""
        return {
            address: [
                (".".join(map(str, reference.path)), reference.address)
                for reference in KINDS[address.kind].references_of(address.tenant, resource.body)
            ]
            for address, resource in self._resources.items()
        }

    @cached_property
    def _referrers(self) -> dict[Address, list[tuple[str, Address]]]:
        found: dict[Address, list[tuple[str, Address]]] = {}
        for address, references in self._references.items():
            for field, target in references:
                found.setdefault(target, []).append((field, address))
        return found

    @cached_property
    def _by_tenant(self) -> dict[tuple[str, str], list[Address]]:
        found: dict[tuple[str, str], list[Address]] = {}
        for address in self._resources:
            found.setdefault((address.tenant, address.kind), []).append(address)
        return found

    def refers(self, related: Related, address: Address) -> bool:
        return self._any(related, self._references.get(address, []))

    def referred(self, related: Related, address: Address) -> bool:
        return self._any(related, self._referrers.get(address, []))

    def in_tenant(self, related: InTenant, tenant: str) -> bool:
        key = id(related), tenant
        if key not in self._in_tenant:
            found = (one for kind in several(related.kind) for one in self._by_tenant.get((tenant, kind), ()))
            self._in_tenant[key] = any(self._answer(related.with_, one) for one in found)
        return self._in_tenant[key]

    def _any(self, related: Related, found: list[tuple[str, Address]]) -> bool:
        kinds = several(related.kind) if related.kind is not None else KINDS
        return any(
            address.kind in kinds
            and address in self._resources
            and related.field in (None, field)
            and self._answer(related.with_, address)
            for field, address in found
        )

    def _answer(self, condition: Condition | None, address: Address) -> bool:
        if condition is None:
            return True
        key = id(condition), address
        if key not in self._answers:
            self._answers[key] = holds(condition, of_resource(self._resources[address]), self)
        return self._answers[key]


def holds(condition: Condition, subject: Subject, world: World) -> bool:
    """Whether every word of the condition holds."""
    if condition.path is not None:
        subject = subject.below(keys_of(condition.path))
    said = (name for name in condition.model_fields_set if name != "path")
    return all(_WORDS[name](getattr(condition, name), subject, world) for name in said)


def _size(wanted: Condition, subject: Subject, world: World) -> bool:
    value = subject.value
    count = len(value) if isinstance(value, str | list | tuple | Mapping) else 0
    return holds(wanted, subject._replace(value=count), world)


def _key(wanted: Condition, subject: Subject, world: World) -> bool:
    return holds(wanted, subject._replace(value=str(subject.path[-1]) if subject.path else MISSING), world)


def _address(wanted: Condition, subject: Subject, world: World) -> bool:
    return holds(wanted, subject._replace(value=str(subject.address) if subject.address else MISSING), world)


def _is_set(value: Any) -> bool:
    return not any(value == empty and type(value) is type(empty) for empty in _EMPTY)


def _is_explicit(subject: Subject) -> bool:
    """List count as one value, so what is inside of one is as explicit as the list."""
    path, explicit = subject.path, subject.explicit()
    upwards = any(path[:length] in explicit for length in range(len(path) + 1))
    return upwards or any(one[: len(path)] == path for one in explicit)


def _equals(wanted: Any, value: Any) -> bool:
    """Numbers are compared as numbers: amounts of money stand as text in a body."""
    if isinstance(wanted, bool) or isinstance(value, bool) or isinstance(wanted, str):
        return type(wanted) is type(value) and bool(wanted == value)
    number = _number(value)
    return number is not None and number == Decimal(str(wanted))


def _number(value: Any) -> Decimal | None:
    """Amounts stand as text in a body; other text, such as 1e999999999, is none."""
    if isinstance(value, str):
        return Decimal(value) if _AMOUNT.fullmatch(value) else None
    return Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _is_at_least(wanted: Any, value: Any) -> bool:
    number = _number(value)
    return number is not None and number >= Decimal(str(wanted))


def _is_at_most(wanted: Any, value: Any) -> bool:
    number = _number(value)
    return number is not None and number <= Decimal(str(wanted))


_WORDS: Mapping[str, Callable[[Any, Subject, World], bool]] = {
    "set": lambda wanted, subject, _: _is_set(subject.value) is wanted,
    "explicit": lambda wanted, subject, _: _is_explicit(subject) is wanted,
    "equals": lambda wanted, subject, _: _equals(wanted, subject.value),
    "one_of": lambda wanted, subject, _: any(_equals(one, subject.value) for one in wanted),
    "like": lambda wanted, subject, _: (
        isinstance(subject.value, str) and any(fnmatchcase(subject.value, one) for one in several(wanted))
    ),
    "matches": lambda wanted, subject, _: isinstance(subject.value, str) and matches(wanted, subject.value),
    "at_least": lambda wanted, subject, _: _is_at_least(wanted, subject.value),
    "at_most": lambda wanted, subject, _: _is_at_most(wanted, subject.value),
    "size": _size,
    "key": _key,
    "address": _address,
    "some": lambda wanted, subject, world: any(holds(wanted, one, world) for one in subject.entries()),
    "every": lambda wanted, subject, world: all(holds(wanted, one, world) for one in subject.entries()),
    "referred_by": lambda wanted, subject, world: world.referred(wanted, subject.address) if subject.address else False,
    "refers_to": lambda wanted, subject, world: world.refers(wanted, subject.address) if subject.address else False,
    "in_tenant": lambda wanted, subject, world: (
        world.in_tenant(wanted, subject.address.tenant) if subject.address else False
    ),
    "not_": lambda wanted, subject, world: not holds(wanted, subject, world),
    "any_of": lambda wanted, subject, world: any(holds(one, subject, world) for one in wanted),
    "all_of": lambda wanted, subject, world: all(holds(one, subject, world) for one in wanted),
}

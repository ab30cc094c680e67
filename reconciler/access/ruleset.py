"""The policies of both sides as numbered rules: which of them concern a caller or a resource is one integer, a bit for each."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from reconciler.access.rule import Labels, Rule, Subject, Thing, allowed_by_class, denied_by_class
from reconciler.access.snapshot import Tenant

T = TypeVar("T")
_WILDCARD = re.compile(r"[*?\[]")


class Index:
    """Rules by one thing that each asks for, so that few of many have to be judged: it finds all that may fit, and more."""

    def __init__(self) -> None:
        self._by: dict[object, list[tuple[int, Rule]]] = defaultdict(list)
        self._lengths: set[int] = set()

    def add(
        self,
        bits: int,
        rule: Rule,
        names: tuple[str, ...] | None,
        labels: Labels | None,
        roles: frozenset[str] | None = None,
    ) -> None:
        for key in self._keys(names, labels, roles):
            self._by[key].append((bits, rule))

    def _keys(
        self, names: tuple[str, ...] | None, labels: Labels | None, roles: frozenset[str] | None
    ) -> Iterable[object]:
        if names is not None:
            beginnings = {_WILDCARD.split(name, 1)[0] for name in names}
            self._lengths |= {*map(len, beginnings)}
            return [("name", beginning) for beginning in beginnings]
        if roles is not None:
            return [("role", role) for role in roles]
        return [("label", next(iter(labels.items())))] if labels else [None]

    def find(self, name: str, labels: Labels, roles: frozenset[str] = frozenset()) -> Iterator[tuple[int, Rule]]:
        """Yield each rule, some of them twice."""
        yield from self._by.get(None, ())
        for length in self._lengths:
            yield from self._by.get(("name", name[:length]), ())
        for item in labels.items():
            yield from self._by.get(("label", item), ())
        for role in roles:
            yield from self._by.get(("role", role), ())


class Ruleset:
    """``before`` and ``after`` have the bits of the rules in force there; ``allows`` and ``denies`` those of one effect.

    Rules that say the same have the same bit, whatever their policies are called.
    """

    def __init__(self, before: Tenant, after: Tenant) -> None:
        self._rules: dict[Any, tuple[int, Rule]] = {}
        self._names: dict[int, set[str]] = {}
        self.allows = self.denies = 0
        self.before = self._number(before)
        self.after = self._number(after)
        self.changed = self.before ^ self.after
        """Rules that are in force on one side only."""
        rules = [*self._rules.values()]
        self._by_bit = dict(rules)
        self._roles = frozenset().union(*(rule.roles or () for _, rule in rules))
        self._subjects, self._targets = Index(), Index()
        for bits, rule in _conditions(rules, lambda rule: (rule.callers, rule.roles, _items(rule.caller_labels))):
            self._subjects.add(bits, rule, rule.callers, rule.caller_labels, rule.roles)
        for bits, rule in _conditions(rules, lambda rule: (rule.names, _items(rule.labels))):
            self._targets.add(bits, rule, rule.names, rule.labels)

    def _number(self, tenant: Tenant) -> int:
        found = 0
        for effect, rules in (("allow", tenant.allows), ("deny", tenant.denies)):
            for rule in rules:
                bit, _ = self._rules.setdefault(_key(effect, rule), (1 << len(self._rules), rule))
                self._names.setdefault(bit, set()).add(rule.name)
                found |= bit
                if effect == "allow":
                    self.allows |= bit
                else:
                    self.denies |= bit
        return found

    def about(self, subject: Subject) -> int:
        """Return the rules that are about a caller."""
        found = self._subjects.find(subject.name, subject.labels, subject.roles)
        return _sum(bits for bits, rule in found if rule.about(subject))

    def fits(self, thing: Thing) -> int:
        """Return the rules that fit a resource by its name and labels."""
        return _sum(bits for bits, rule in self._targets.find(thing.name, thing.labels) if rule.fits(thing))

    def causes(self, bits: int, widened: bool, action: str, in_force: str | None) -> int:
        """Return those of ``bits`` that give (``widened``) or take an action, because they are in force on one side only."""
        new, old = self.after & ~self.before, self.before & ~self.after
        gives, takes = (new, old) if widened else (old, new)
        bits &= (self.allows & gives) | (self.denies & takes)
        return _sum(bit for bit in split(bits) if self._concerns(bit, action, in_force))

    def _concerns(self, bit: int, action: str, in_force: str | None) -> bool:
        rule = self._by_bit[bit]
        fits = allowed_by_class if bit & self.allows else denied_by_class
        return (rule.actions is None or action in rule.actions) and fits(rule, in_force)

    def policies(self, bits: int) -> set[str]:
        """Return the names of the policies behind some rules, as ``policy/NAME``."""
        return {name for bit in split(bits) for name in self._names[bit]}

    def roles(self) -> frozenset[str]:
        """Return every role that a policy names."""
        return self._roles

    def roles_of(self, bits: int) -> frozenset[str]:
        """Return the roles that some rules name."""
        return frozenset(role for bit in split(bits) for role in self._by_bit[bit].roles or ())


def split(bits: int) -> Iterable[int]:
    """Yield every single bit."""
    while bits:
        lowest = bits & -bits
        yield lowest
        bits ^= lowest


def _sum(parts: Iterable[int]) -> int:
    found = 0
    for part in parts:
        found |= part
    return found


def _key(effect: str, rule: Rule) -> tuple[Any, ...]:
    subject = (rule.callers, rule.roles, _items(rule.caller_labels))
    target = (rule.actions, rule.names, _items(rule.labels), rule.classification)
    terms = rule.approval
    # a deny reaches the whole tenant, whoever owns it
    return (effect, rule.project if effect == "allow" else "", *subject, *target, terms)


def _items(labels: Any) -> frozenset[tuple[str, str]] | None:
    return None if labels is None else frozenset(labels.items())


def _conditions(rules: Iterable[tuple[int, Rule]], key: Callable[[Rule], T]) -> list[tuple[int, Rule]]:
    """Group rules that ask for the same, so that each condition is judged once."""
    found: dict[T, tuple[int, Rule]] = {}
    for bit, rule in rules:
        before = found.get(key(rule), (0, rule))
        found[key(rule)] = before[0] | bit, rule
    return [*found.values()]

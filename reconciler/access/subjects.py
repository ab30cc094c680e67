"""Everyone that one caller can be, on both sides: by itself, with roles that its token brings, by one way of proving who it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from reconciler.access.decide import subject_of
from reconciler.access.rule import Subject
from reconciler.access.ruleset import Ruleset
from reconciler.access.sides import Sides
from reconciler.access.snapshot import Tenant
from reconciler.model.body import Body

MOST_ROLES = 3
"""A call is allowed by two roles at most, one for `access_roles` and one for a policy; a third one may have been denied before."""
MOST_VARIANTS = 500
"""Of one caller: those with the fewest roles. Where there are more, it is told, and counts as wider access."""

Signature = tuple[int, frozenset[str]] | None
"""What tells subjects of one side apart: the rules about them, and their roles that datasources ask for. None: nobody."""
_Pair = tuple[str | None, str | None]
"""A role that a value of a token's claim stands for, before and after."""


class Variant(NamedTuple):
    """A subject before and after; None where there is none, or where it may ask for nothing."""

    roles: tuple[str, ...]
    way: str | None
    before: Subject | None
    after: Subject | None
    signatures: tuple[Signature, Signature]

    @property
    def changed(self) -> bool:
        return self.signatures[0] != self.signatures[1]


class Caller(NamedTuple):
    """A caller by its name after, or before where it is gone, and all of its variants; those with the fewest roles first."""

    name: str
    former: str | None
    current: str | None
    variants: tuple[Variant, ...]
    uncompared: int = 0
    """How many roles its tokens may bring, where not all of their combinations are among the variants."""


class Subjects:
    """Finds callers and their variants.

    ``asked`` are all the roles that a datasource asks for on either side, ``at_stake`` returns those on which it may depend what a
    caller gains or loses that is the same on both sides.
    """

    def __init__(
        self, sides: Sides, rules: Ruleset, asked: frozenset[str], at_stake: Callable[[], frozenset[str]]
    ) -> None:
        self._sides, self._rules, self._asked, self._at_stake = sides, rules, asked, at_stake

    def callers(self) -> Iterator[Caller]:
        before, after, former = self._sides.before, self._sides.after, self._sides.former
        current = {former[name]: name for name in after.names("caller") if name in former}
        new = [name for name in after.names("caller") if name not in former]
        for old in before.names("caller"):
            yield self._caller(old, current.pop(old, None))
        for old, name in sorted(current.items()):
            yield self._caller(old, name)  # what was live only as a record
        for name in new:
            yield self._caller(None, name)

    def _caller(self, old: str | None, new: str | None) -> Caller:
        pairs = sorted(self._pairs(old, new), key=str)
        found = [*islice(self._with_roles(old, new, pairs), MOST_VARIANTS + 1)]
        uncompared = len(pairs) if len(found) > MOST_VARIANTS else 0
        kept = found[:MOST_VARIANTS]
        name = (new or old or "").partition("/")[2]
        return Caller(name, old, new, (*kept, *self._by_way(old, new, kept)), uncompared)

    def _by_way(self, old: str | None, new: str | None, found: Sequence[Variant]) -> Iterator[Variant]:
        """Whom another way of proving who one is admits, or no longer admits: with all roles that it brings."""
        before, after = _body(self._sides.before, old), _body(self._sides.after, new)
        if before is not None and after is not None and before["auth"] != after["auth"]:
            ways, others = _ways(before), _ways(after)
            for way in _uncovered(others, ways):
                for one in _brought_by(way, found, 1):
                    yield one._replace(way=way, before=None, signatures=(None, one.signatures[1]))
            for way in _uncovered(ways, others):
                for one in _brought_by(way, found, 0):
                    yield one._replace(way=way, after=None, signatures=(one.signatures[0], None))

    def _with_roles(self, old: str | None, new: str | None, pairs: Sequence[_Pair]) -> Iterator[Variant]:
        """Breadth first, each signature once: two subjects with the same one stay alike whatever roles both get besides."""
        seen = set()
        level: list[tuple[_Pair, ...]] = [()]
        for _ in range(MOST_ROLES + 1):
            following = []
            for chosen in level:
                one = self._variant(old, new, chosen)
                if one.signatures not in seen:
                    seen.add(one.signatures)
                    yield one
                    following += [(*chosen, pair) for pair in pairs if pair not in chosen]
            level = following

    def _pairs(self, old: str | None, new: str | None) -> set[_Pair]:
        """Return the roles that matter to a policy or a datasource: to those of what changes, where the caller itself does not."""
        bodies = _body(self._sides.before, old), _body(self._sides.after, new)
        before, after = _roles_from(bodies[0]), _roles_from(bodies[1])
        found = {(before.get(value), after.get(value)) for value in (*before, *after)}
        if not found:
            return set()
        auths = [None if body is None else body["auth"] for body in bodies]
        is_same = auths[0] == auths[1] and _subject(self._sides.before, old, ()) == _subject(self._sides.after, new, ())
        matter = self._at_stake() if is_same else self._rules.roles() | self._asked
        kept = {(one if one in matter else None, two if two in matter else None) for one, two in found}
        return kept - {(None, None)}

    def _variant(self, old: str | None, new: str | None, chosen: tuple[_Pair, ...]) -> Variant:
        before = _subject(self._sides.before, old, (one for one, _ in chosen))
        after = _subject(self._sides.after, new, (two for _, two in chosen))
        roles = tuple(sorted({two or one or "" for one, two in chosen}))
        signatures = (self._signature(before), self._signature(after))
        return Variant(roles, None, before, after, signatures)

    def _signature(self, subject: Subject | None) -> Signature:
        return None if subject is None else (self._rules.about(subject), subject.roles & self._asked)


def _subject(tenant: Tenant, name: str | None, roles: Iterable[str | None]) -> Subject | None:
    if name is None:
        return None
    found = subject_of(tenant, name.partition("/")[2], frozenset(role for role in roles if role))
    return None if isinstance(found, str) else found


def _body(tenant: Tenant, name: str | None) -> Body | None:
    resource = None if name is None else tenant.resource(name)
    return None if resource is None else resource.body


def _roles_from(body: Body | None) -> Mapping[tuple[str, str], str]:
    """Role by claim and value."""
    found: Any = ((body or {}).get("auth") or {}).get("jwt") or {}
    roles = found.get("roles_from") or {}
    return {(roles["claim"], value): role for value, role in roles.get("map", {}).items()}


def _ways(body: Body) -> list[tuple[str, Any]]:
    """How a caller may prove who it is: the way, and what a token has to say."""
    found = []
    for way, asked in body["auth"].items():
        if asked is not None:
            found.append((way, {"issuer": asked["issuer"], **_claims(asked)} if way == "jwt" else {}))
    return found


def _claims(jwt: Body) -> dict[str, str]:
    return {f"claim {name}": value for name, value in jwt["claims"].items()}


def _brought_by(way: str, found: Sequence[Variant], side: int) -> Iterable[Variant]:
    """Return the variants that a way yields on one side, each signature once: keys bring no roles."""
    once: dict[Signature, Variant] = {}
    for one in found if way == "jwt" else found[:1]:
        once.setdefault(one.signatures[side], one)
    return once.values()


def _uncovered(ways: list[tuple[str, Any]], others: list[tuple[str, Any]]) -> Iterator[str]:
    """Yield the ways that none of the others admits too: a token that has to say less is more than before."""
    for way, asked in ways:
        if not any(way == other and less.items() <= asked.items() for other, less in others):
            yield way

"""Selectors held against a closed world, what the tenant declares or calls external: each that selects nothing is found.

A literal is a typing error (a deny with one leaves access open), a pattern is a doubt; ``optional`` says that it is meant.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from fnmatch import fnmatchcase, translate
from functools import cache, cached_property
from itertools import takewhile
from operator import eq
from typing import NamedTuple

import orjson
from msgspec import Struct, field

from reconciler.codes import Code
from reconciler.errors import Problem
from reconciler.kinds.nearest import nearest
from reconciler.kinds.table import KINDS, can, kinds_that, words_that
from reconciler.load.suggest import BUDGET
from reconciler.model.address import Address
from reconciler.model.kind import Ability
from reconciler.model.resource import Resource
from reconciler.model.selector import (
    ACCESS_ROLE,
    ACTION,
    ALLOWED_CLASS,
    ALLOWED_LABEL,
    ALLOWED_TARGET,
    CALLER,
    CALLER_LABEL,
    DENIED_CLASS,
    EVERY,
    LABELS,
    NAMED,
    OF_CALLERS,
    OPTIONAL,
    PROJECT,
    ROLE,
    STRICT,
    TARGET,
    TARGET_LABEL,
    UNPINNED,
    Offer,
    Selector,
    is_pattern,
    labels,
)
from reconciler.model.target import PARTS
from reconciler.patterns import regex
from reconciler.remembered import remembered

Offers = dict[tuple[str, str], set[str]]
"""By tenant and noun: every word that a selector may use."""

NOTHING: Code = "matches-nothing"
_SAYS: Mapping[str, str] = {
    CALLER: "there is no caller `{text}`",
    TARGET: "there is no {text}",
    ALLOWED_TARGET: "there is no {text}",
    ROLE: "no caller has the role `{text}`",
    ACCESS_ROLE: "no caller has the role `{text}`",
    CALLER_LABEL: "no caller has this label with this value",
    TARGET_LABEL: "nothing that a policy may name has this label with this value",
    ALLOWED_LABEL: "nothing that a caller can call has this label with this value",
    ALLOWED_CLASS: "no datasource is classified as {text}",
    DENIED_CLASS: "no datasource is classified as {text}, and none is without a classification",
    ACTION: "no template does this: {text}",
    PROJECT: "nothing else says that there is a project {text}",
}
ALIKE = 0.8
"""From this likeness on a label's key or value is another one misspelt, besides one letter or two that are swapped."""
_DIGITS = regex(r"[0-9]")


@cache
def _callable() -> tuple[str, ...]:
    """Return the words of what a policy may name and a caller call: kinds, and parts of a kind's resources."""
    calls = (KINDS[name].calls for name in kinds_that(Ability.NAMEABLE))
    return tuple(one.word for one in calls if one is not None)


class Doubt(Struct, frozen=True):
    """A selector that selects nothing; ``is_error`` where it is a literal that somebody may have misspelt."""

    address: Address
    selector: Selector
    problem: Problem
    is_error: bool


class Said(NamedTuple):
    """What a body says of selectors: the words that they may select it by, and what it selects by itself.

    ``parts``: there is more to select, by names that only the resource's own name makes whole. ``unpinned`` are the names of
    parts that nobody can call, since they were never pinned.
    """

    offers: tuple[Offer, ...]
    selectors: tuple[Selector, ...]
    parts: bool = False
    unpinned: tuple[str, ...] = ()


def said_by(resources: Iterable[Resource]) -> Iterator[tuple[Address, Said]]:
    """Yield what each resource selects by, and what it offers to selectors."""
    for one in resources:
        said = _said(one.address.kind, one.text)
        yield one.address, said._replace(offers=(*said.offers, *_parts(one))) if said.parts else said


def _parts(resource: Resource) -> Iterator[Offer]:
    """Yield the parts of a resource that can be called, which policies may name as targets."""
    calls = KINDS[resource.address.kind].calls
    for part in calls.parts(resource.body) if calls is not None and calls.parts is not None else ():
        for noun in (TARGET, ALLOWED_TARGET):
            yield Offer(noun, f"{calls.word if calls else ''}/{resource.address.name}/{part}")


@remembered(4096)
def _said(name: str, text: str) -> Said:
    """Tenants mostly have the same bodies: one that is alike is looked through once."""
    kind, body = KINDS[name], orjson.loads(text)
    has_parts = kind.calls is not None and kind.calls.parts is not None and any(kind.calls.parts(body))
    is_called = kind.calls is not None and (kind.calls.parts is None or has_parts)
    nouns = ((TARGET_LABEL, ALLOWED_LABEL) if is_called else (TARGET_LABEL,)) if kind.can(Ability.NAMEABLE) else ()
    words = (word for noun in nouns for word in labels(noun, body["labels"]))
    offers, unpinned = list[Offer](), list[str]()
    for offer in kind.offers(body):
        if offer.noun == UNPINNED:
            unpinned.append(offer.word)
        else:
            offers.append(offer)
    return Said((*offers, *words), (*kind.selects(body),), has_parts, (*unpinned,))


def offers_of(said: Iterable[tuple[Address, Said]]) -> Offers:
    """Gather the words that selectors may use, by tenant and noun."""
    found: Offers = defaultdict(set)
    for address, words in said:
        for noun, word in words.offers:
            found[address.tenant, noun].add(word)
    return found


def selecting_in(said: Iterable[tuple[Address, Said]]) -> list[tuple[Address, Selector]]:
    """Return every selector with the address that uses it."""
    return [(address, selector) for address, words in said for selector in words.selectors]


class World(Struct, frozen=True, dict=True):
    """``names`` are all addresses that the project declares, as text; ``external`` its patterns of others' addresses."""

    names: Collection[str]
    offers: Mapping[tuple[str, str], Collection[str]]
    external: frozenset[str]
    projects: frozenset[str]
    moved: Mapping[str, str] = field(default_factory=dict)
    """Former addresses, and where `moved` leads: a policy that still names one is judged by the plan, which shows the effect."""

    @cached_property
    def _short(self) -> Mapping[tuple[str, str], list[str]]:
        """By tenant and noun: the names of callers, and `kind/name` of what a policy may name."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        nameable, callable_ = frozenset(kinds_that(Ability.NAMEABLE)), frozenset(_callable())
        for address in self.names:
            tenant, _, short = address.partition("/")
            kind, _, name = short.partition("/")
            if kind in nameable:
                found[tenant, TARGET].append(short)
                if kind in callable_:
                    found[tenant, ALLOWED_TARGET].append(short)
            elif kind == CALLER:
                found[tenant, CALLER].append(name)
        return found

    @cached_property
    def _outside(self) -> Mapping[str, list[tuple[str, str]]]:
        """External patterns in two parts, the tenant's and `kind/name`, by the noun that they are about."""
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for pattern in sorted(self.external):
            tenant, short = pattern.split("/", 1) if pattern.count("/") == 2 else ("*", pattern)
            kind = short.partition("/")[0]
            if fnmatchcase(CALLER, kind):
                found[CALLER].append((tenant, short))
            for noun, kinds in ((TARGET, words_that(Ability.NAMEABLE)), (ALLOWED_TARGET, _callable())):
                if any(fnmatchcase(name, kind) for name in kinds):
                    found[noun].append((tenant, short))
        return found

    def selects(self, tenant: str, selector: Selector) -> bool:
        """Whether there is anything that the selector selects, as far as the project can know."""
        _, noun, text, _ = selector
        if noun in NAMED:
            return self._named(tenant, noun, text)
        if noun == PROJECT:
            return text in self.projects
        words = self.offers.get((tenant, noun), ())
        if text in words or EVERY in words:
            return True
        if noun == ACCESS_ROLE and not self._short.get((tenant, CALLER)):
            return True  # whoever declares data only can't know the callers
        about = CALLER if noun in OF_CALLERS else ALLOWED_TARGET if noun == ALLOWED_LABEL else TARGET
        return any(fnmatchcase(tenant, outside) for outside, _ in self._outside[about])

    def _named(self, tenant: str, noun: str, text: str) -> bool:
        short = f"{CALLER}/{text}" if noun == CALLER else text
        if noun == ALLOWED_TARGET and text.partition("/")[0] not in ("*", *_callable()):
            return False
        if not is_pattern(text) and (f"{tenant}/{short}" in self.names or text in self.offers.get((tenant, noun), ())):
            return True
        if any(
            fnmatchcase(tenant, outside) and (fnmatchcase(short, pattern) or fnmatchcase(pattern, short))
            for outside, pattern in self._outside[noun]
        ):
            return True
        if not is_pattern(text):
            return False
        matches = re.compile(translate(text)).match
        return any(matches(name) for name in self._nameable(tenant, noun))

    def _nameable(self, tenant: str, noun: str) -> Collection[str]:
        """Every name that a selector of the noun may mean: of resources, and of their parts."""
        return [*self._short.get((tenant, noun), ()), *self.offers.get((tenant, noun), ())]

    def moved_to(self, tenant: str, selector: Selector) -> str | None:
        """Return the new name of what a literal names by its former one."""
        _, noun, text, _ = selector
        if noun not in NAMED:
            return None
        new = self.moved.get(f"{tenant}/{CALLER}/{text}" if noun == CALLER else f"{tenant}/{text}", "")
        return new.split("/", 2 if noun == CALLER else 1)[-1] or None

    def meant(self, tenant: str, selector: Selector) -> str | None:
        """Return what may have been meant by a literal that selects nothing."""
        _, noun, text, _ = selector.of_any_effect
        if noun in NAMED:
            words: Collection[str] = self._nameable(tenant, noun)
            kind, _, name = text.partition("/")
            if noun == TARGET and (kind in PARTS or can(kind, Ability.NAMEABLE)):
                same = [word.partition("/")[2] for word in words if word.startswith(f"{kind}/")]
                found = nearest(name, same) if len(same) < BUDGET else None
                return f"{kind}/{found}" if found else None
        elif noun == PROJECT:
            words = self.projects
        else:
            words = self.offers.get((tenant, noun), ())
        if len(words) >= BUDGET:
            return None
        return _label_meant(text, words) if noun in LABELS else nearest(text, words)


def doubts(world: World, selecting: Iterable[tuple[Address, Selector]]) -> Iterator[Doubt]:
    """Every selector that selects nothing, and isn't optional, in the order in which they are given."""
    known: dict[tuple[str, str, str], bool] = {}
    hints = 0
    for address, selector in selecting:
        if selector.optional:
            continue
        key = (address.tenant, selector.noun, selector.text)
        if key not in known:
            known[key] = world.selects(address.tenant, selector)
        if known[key]:
            continue
        if selector.of_any_effect != selector and world.selects(address.tenant, selector.of_any_effect):
            yield Doubt(address, selector, _uncallable(address, selector), False)
            continue
        pattern = selector.noun in NAMED and is_pattern(selector.text)
        moved = world.moved_to(address.tenant, selector)
        meant = moved or (world.meant(address.tenant, selector) if not pattern and hints < 100 else None)
        hints += 1
        is_error = moved is None and _is_error(selector, pattern, meant)
        yield Doubt(address, selector, _problem(address, selector, pattern, meant), is_error)


def _label_meant(text: str, words: Iterable[str]) -> str | None:
    """Return the label that may have been meant: a key like an unknown one, or a value like that of a known key."""
    values: dict[str, list[str]] = defaultdict(list)
    for word in words:
        key, _, value = word.partition("=")
        values[key].append(value)
    key, _, value = text.partition("=")
    if key not in values:
        meant = nearest(key, values)
        return f"{meant}: {nearest(value, values[meant]) or value}" if meant else None
    near = nearest(value, values[key])
    return f"{key}: {near}" if near else None


def _is_error(selector: Selector, pattern: bool, meant: str | None) -> bool:
    """Whether a literal is a typing error. A label may have been taken off what had it: one without a likeness is a doubt."""
    if selector.noun in LABELS:
        key, _, value = selector.text.partition("=")
        near_key, _, near_value = (meant or "").partition(": ")
        return _is_misspelt(value, near_value) if key == near_key else _is_misspelt(key, near_key)
    return selector.noun in STRICT and not pattern


def _is_misspelt(word: str, meant: str) -> bool:
    """Whether two words differ as typing errors do: in few letters, and not only in a number."""
    if not meant or _DIGITS.sub("", word) == _DIGITS.sub("", meant):
        return False
    same = _in_common(word, meant)
    rest = word[same:], meant[same:]
    same_end = _in_common(rest[0][::-1], rest[1][::-1])
    one, other = (text[: len(text) - same_end] for text in rest)
    is_one_letter = max(len(one), len(other)) == 1 and same + same_end > 1
    is_swapped = len(one) == 2 and one == other[::-1]
    return is_one_letter or is_swapped or SequenceMatcher(None, meant, word).ratio() >= ALIKE


def _in_common(one: str, other: str) -> int:
    """With how many letters both begin."""
    return sum(takewhile(bool, map(eq, one, other)))


def _uncallable(address: Address, selector: Selector) -> Problem:
    """Return what an allow selects, and nobody can call: data behind a template is allowed by the template's name."""
    kind = selector.text.partition("/")[0]
    if selector.noun == ALLOWED_LABEL:
        says = "nothing that has this label"
    elif is_pattern(selector.text):
        says = f"nothing that {selector.text} matches"
    else:
        says = f"no {kind}"
    named = " or ".join(f"`{name}/NAME`" for name in _callable())
    message = f"this allows nothing: an allow is judged by what a caller names, and a caller can name {says} in {address.tenant}"
    hint = f"name what reads it: {named}; or {OPTIONAL}"
    return Problem(NOTHING, message, str(address), selector.path, hint=hint)


def _problem(address: Address, selector: Selector, pattern: bool, meant: str | None) -> Problem:
    says = _SAYS[selector.noun].format(text=selector.text)
    if pattern:
        says = f"no {'caller' if selector.noun == CALLER else 'target'} matches {selector.text}"
    advice = f"declare it, list it under `external` if another project does, or {OPTIONAL}"
    if selector.noun == PROJECT:
        advice = "correct the name, or name the project at an entry of `external`"
    elif selector.noun == ACCESS_ROLE:
        advice = "correct the role, or give it to a caller"
    elif selector.noun not in STRICT or pattern:
        advice = OPTIONAL
    hint = f"did you mean `{meant}`? Otherwise {advice}" if meant else advice
    return Problem(NOTHING, f"this selects nothing: {says} in {address.tenant}", str(address), selector.path, hint=hint)

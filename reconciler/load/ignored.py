"""``ignore`` and ``external`` of reconciler.yaml, held against the addresses and the fields that there are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import date
from fnmatch import fnmatchcase, translate
from typing import TYPE_CHECKING

from msgspec import Struct

from reconciler.errors import Path, Problem
from reconciler.kinds.field_patterns import ANYTHING, KEY, has_field, meet, paths_of
from reconciler.kinds.nearest import nearest
from reconciler.kinds.table import KINDS
from reconciler.load.selectors import NOTHING
from reconciler.load.suggest import BUDGET
from reconciler.model.address import Address
from reconciler.model.body import leaves
from reconciler.model.configuration import Ignore
from reconciler.model.resource import Resource, State
from reconciler.model.selector import OPTIONAL, is_pattern
from reconciler.model.settings import IgnoreRule, Settings

if TYPE_CHECKING:
    from pydantic import BaseModel


class Unused(Struct, frozen=True):
    """A setting of reconciler.yaml that concerns nothing; ``path`` is its place there.

    ``elsewhere``: in this environment, and perhaps not in another.
    """

    path: Path
    problem: Problem
    is_error: bool
    elsewhere: bool = True


def unused(settings: Settings, state: State, names: Collection[str], undeclared: Collection[str]) -> Iterator[Unused]:
    """Yield the faults of ignore rules that fit nothing.

    ``names`` are all addresses that are declared, ``state`` what of them is valid, ``undeclared`` what something refers to besides.
    """
    for number, entry in enumerate(settings.ignore):
        rule, optional = entry.rule, entry.optional
        place = ("ignore", number)
        kind = rule.address.split("/")[1] if rule.address.count("/") == 2 else "*"
        if not _is_glob(kind) and kind not in KINDS:
            meant = nearest(kind, KINDS)
            hint = f"did you mean `{meant}`?" if meant else f"kinds are {', '.join(KINDS)}"
            yield Unused(
                (*place, "address"), Problem("unknown-kind", f"there is no kind {kind}", hint=hint), True, False
            )
        elif not optional and not _is_there(rule.address, names):
            yield _nothing((*place, "address"), rule.address, names, "resource is declared as")
        yield from _field(entry, (*place, "field"), state, names)
    for number, one in enumerate(settings.external):
        if not one.optional and not refers(undeclared, one.address):
            yield Unused(("external", number), unused_external(one.address), False)


def refers(undeclared: Collection[str], text: str) -> bool:
    """Whether something refers to what an external pattern is about; a pattern of a policy may do so too."""
    short = text.count("/") == 1
    found = (one.partition("/")[2] if short else one for one in undeclared)
    return any(fnmatchcase(one, text) or fnmatchcase(text, one) for one in found)


def unused_external(text: str) -> Problem:
    """Return a resource of another project that nothing refers to."""
    message = f"this selects nothing: nothing here refers to {text}"
    return Problem(NOTHING, message, hint=f"take it out, or write a map and {OPTIONAL}")


def _is_there(pattern: str, names: Collection[str]) -> bool:
    if not _is_glob(pattern):
        return pattern in names
    matches = re.compile(translate(pattern)).match
    return any(matches(name) for name in names)


def _is_glob(text: str) -> bool:
    return is_pattern(text) or "[" in text


def _nothing(path: Path, text: str, names: Collection[str], what: str) -> Unused:
    literal = not _is_glob(text)
    meant = nearest(text, names) if literal and len(names) < BUDGET else None
    message = f"this selects nothing: no {what} {text}"
    hint = f"did you mean `{meant}`? Otherwise {OPTIONAL}" if meant else OPTIONAL
    return Unused(path, Problem(NOTHING, message, hint=hint), literal)


def _field(entry: IgnoreRule, path: Path, state: State, names: Collection[str]) -> Iterator[Unused]:
    """Faults of a field pattern, judged by the specs of the kinds that the address may match, and of what it does match."""
    rule = entry.rule
    field, kinds = rule.field, kinds_of(rule.address)
    fitting = {(kind, one) for kind in kinds for one, part in KINDS[kind].variants.items() if has_field(part, field)}
    if not kinds or len(fitting) == sum(len(KINDS[kind].variants) for kind in kinds):
        return
    if fitting and (len(state) < len(names) or entry.optional):
        return  # what is invalid may be of a variant that has the field, and so may what is still to come
    matching = [address for address in state if fnmatchcase(str(address), rule.address)]
    if any((address.kind, _variant(state[address])) in fitting for address in matching):
        return
    if any(_covers(rule, state[address]) for address in matching):
        return  # a key with dots
    if not fitting:
        yield _unknown(field, kinds, path)
    elif matching:
        yield _of_others(rule, path, fitting, matching)


def _variant(resource: Resource) -> str:
    discriminator = KINDS[resource.address.kind].discriminator
    return str(resource.body[discriminator]) if discriminator else ""


def _covers(rule: Ignore, resource: Resource) -> bool:
    """Whether a rule leaves out something that a body has."""
    return any(rule.covers(resource.address, where, date.min) for where, _ in leaves(resource.body))


def _of_others(rule: Ignore, path: Path, fitting: Collection[tuple[str, str]], matching: list[Address]) -> Unused:
    """Return a field that none of the matching resources has, and others of their kind would."""
    one, more = matching[0], len(matching) - 1
    which = f"{one}{f' and {more} more' if more else ''}"
    message = f"this selects nothing: {which} {'have' if more else 'has'} no field `{rule.field}`"
    having = [f"{kind}s of the {KINDS[kind].discriminator} {variant}" for kind, variant in sorted(fitting)]
    hint = f"{', '.join(having[:5])} have it; {OPTIONAL}"
    is_error = not _is_glob(rule.address) and not _is_glob(rule.field)
    return Unused(path, Problem(NOTHING, message, hint=hint), is_error)


def _unknown(field: str, kinds: Collection[str], path: Path) -> Unused:
    """Return a field pattern that matches no field of any of the kinds."""
    if (index := re.search(r"\[\d*\]", field)) is not None:
        message = "this selects nothing: a list is one field, and its items have no paths"
        return Unused(path, Problem(NOTHING, message, hint=f"write `{field[: index.start()]}`"), True, False)
    parts = [part for kind in kinds for part in KINDS[kind].variants.values()]
    steps = field.split(".")
    good = next(n for n in range(len(steps)) if not any(has_field(part, ".".join(steps[: n + 1])) for part in parts))
    before = "".join(f"{one}." for one in steps[:good])
    names = sorted({name for part in parts for name in _names_below(part, steps[:good])})
    if steps[good].isdigit() and good:
        hint = f"a list is one field: write `{'.'.join(steps[:good])}`"
        return Unused(path, Problem("unknown-field", "an item of a list has no path", hint=hint), True, False)
    if any(map(_is_glob, steps[: good + 1])) and not all(step == "*" or not _is_glob(step) for step in steps):
        message = f"this selects nothing: no field of {_of(kinds)} matches {field}"
        return Unused(path, Problem(NOTHING, message, hint=OPTIONAL), False, False)
    meant = nearest(steps[good], names)
    advice = f"did you mean `{before}{meant}`?" if meant else f"there are {', '.join(names)}" if names else None
    return Unused(path, Problem("unknown-field", f"no field `{field}` of {_of(kinds)}", hint=advice), True, False)


def _names_below(part: type[BaseModel], steps: list[str]) -> Iterator[str]:
    """Yield the names of the fields below what a pattern matches; below a `*`, at any depth."""
    for path in paths_of(part):
        fits = not steps or (len(path) > 1 and meet(".".join((*steps, "*")), path))
        if fits and path[-1] not in (KEY, ANYTHING) and ("*" in steps or len(path) == len(steps) + 1):
            yield path[-1]


def _of(kinds: Collection[str]) -> str:
    return "any kind" if len(kinds) == len(KINDS) else " or ".join(kinds)


def kinds_of(address: str) -> tuple[str, ...]:
    """Return the kinds of the resources that an address pattern may match; in a pattern `*` goes over slashes."""
    parts = address.split("/")
    if len(parts) == 3:
        return tuple(kind for kind in KINDS if fnmatchcase(kind, parts[1]))
    return tuple(KINDS) if _is_glob(address) else ()

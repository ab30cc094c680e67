"""``ignore`` and ``external`` of reconciler.yaml, held against the addresses and the fields that there are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase, translate

from msgspec import Struct

from reconciler.errors import Path, Problem
from reconciler.kinds.schema import Shape, steps_below
from reconciler.kinds.table import KINDS
from reconciler.kinds.wording import nearest
from reconciler.load.project import ExternalEntry, ProjectFile
from reconciler.load.selectors import NOTHING, OPTIONAL
from reconciler.load.suggest import BUDGET
from reconciler.model.selector import is_pattern


class Unused(Struct, frozen=True):
    """A setting of reconciler.yaml that concerns nothing; ``path`` is its place there.

    ``elsewhere``: in this environment, and perhaps not in another.
    """

    path: Path
    problem: Problem
    is_error: bool
    elsewhere: bool = True


def unused(settings: ProjectFile, names: Collection[str], undeclared: Collection[str]) -> Iterator[Unused]:
    """``names`` are all addresses that are declared, ``undeclared`` those that something refers to besides."""
    for number, rule in enumerate(settings.ignore):
        place = ("ignore", number)
        kind = rule.address.split("/")[1] if rule.address.count("/") == 2 else "*"
        if not _is_glob(kind) and kind not in KINDS:
            meant = nearest(kind, KINDS)
            hint = f"did you mean `{meant}`?" if meant else f"kinds are {', '.join(KINDS)}"
            yield Unused(
                (*place, "address"), Problem("unknown-kind", f"there is no kind {kind}", hint=hint), True, False
            )
        elif not rule.optional and not _is_there(rule.address, names):
            yield _nothing((*place, "address"), rule.address, names, "resource is declared as")
        yield from _field(rule.address, rule.field, (*place, "field"))
    for number, entry in enumerate(settings.external):
        text, optional = (entry.address, entry.optional) if isinstance(entry, ExternalEntry) else (entry, False)
        short = text.count("/") == 1
        found = (one.partition("/")[2] if short else one for one in undeclared)
        if not optional and not any(fnmatchcase(one, text) for one in found):
            message = f"this selects nothing: nothing here refers to {text}"
            hint = f"take it out, or write a map and {OPTIONAL}"
            yield Unused(("external", number), Problem(NOTHING, message, hint=hint), False)


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


def _field(address: str, field: str, path: Path) -> Iterator[Unused]:
    """Faults of a field pattern, judged by the schemas of the kinds that the address may match."""
    kinds = kinds_of(address)
    if not kinds:
        return
    if (index := re.search(r"\[\d*\]", field)) is not None:
        whole = field[: index.start()]
        message = "this selects nothing: a list is one field, and its items have no paths"
        yield Unused(path, Problem(NOTHING, message, hint=f"write `{whole}`"), True, False)
        return
    shapes: tuple[Shape, ...] = tuple(Shape(part=part) for kind in kinds for part in KINDS[kind].variants.values())
    steps = field.split(".")
    for position, step in enumerate(steps):
        if _is_glob(step):
            names = steps_below(shapes, "")[1]
            if shapes and not _is_open(shapes) and not any(fnmatchcase(name, step) for name in names):
                message = f"this selects nothing: no field of {_of(kinds)} matches {field}"
                yield Unused(path, Problem(NOTHING, message, hint=OPTIONAL), False, False)
            return  # `*` is any text, dots included
        found, names = steps_below(shapes, step)
        if step.isdigit() and position and not found:
            hint = f"a list is one field: write `{'.'.join(steps[:position])}`"
            yield Unused(path, Problem("unknown-field", "an item of a list has no path", hint=hint), True, False)
            return
        if not found:
            meant = nearest(step, names)
            before = "".join(f"{one}." for one in steps[:position])
            known = f"there are {', '.join(names)}" if names else None
            advice = f"did you mean `{before}{meant}`?" if meant else known
            message = f"no field `{field}` of {_of(kinds)}"
            yield Unused(path, Problem("unknown-field", message, hint=advice), True, False)
            return
        shapes = found


def _is_open(shapes: Iterable[Shape]) -> bool:
    """Whether anything may stand below one of these places."""
    return bool(steps_below(tuple(shapes), "*")[0])


def _of(kinds: Collection[str]) -> str:
    return "any kind" if len(kinds) == len(KINDS) else " or ".join(kinds)


def kinds_of(address: str) -> tuple[str, ...]:
    """The kinds of the resources that an address pattern may match; in a pattern `*` goes over slashes."""
    parts = address.split("/")
    if len(parts) == 3:
        return tuple(kind for kind in KINDS if fnmatchcase(kind, parts[1]))
    return tuple(KINDS) if _is_glob(address) else ()

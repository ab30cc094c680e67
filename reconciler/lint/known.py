"""What a rule may look at: its paths and values held against the schema, so that a misspelt one is no rule that is silent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec import Struct

from reconciler.errors import Path
from reconciler.kinds.nearest import near
from reconciler.kinds.rules import Fault
from reconciler.kinds.schema import Part, Shape, steps_below
from reconciler.kinds.table import KINDS
from reconciler.lint.condition import Condition, InTenant, Related, keys_of, several
from reconciler.plan.document import PlanDocument, ResourceChangeDocument

DOCUMENTS: dict[str, type[Struct]] = {"change": ResourceChangeDocument, "plan": PlanDocument[ResourceChangeDocument]}
EVERY = "*"


class Ground(NamedTuple):
    """What a condition is about: what the schema says of it, and the kinds of the resource (none in a plan)."""

    shapes: tuple[Shape, ...]
    kinds: tuple[str, ...]


class Nowhere(NamedTuple):
    """A key of a path that no schema knows, and the names that there are."""

    key: str
    names: tuple[str, ...]


VALUE = (Shape(),)
"""A bare value: nothing is below it."""


def ground_of(topics: Iterable[str]) -> Ground:
    """For the topic of a rule, or for kinds."""
    names = tuple(topics)
    models: list[Part] = [DOCUMENTS[name] for name in names if name in DOCUMENTS]
    kinds = tuple(name for name in names if name in KINDS)
    models += [model for name in kinds for model in KINDS[name].variants.values()]
    return Ground(tuple(Shape(part=model) for model in models), kinds)


def follow(ground: Ground, keys: Iterable[str]) -> Ground | Nowhere:
    """Return what stands at the path below; ``*`` is every key or item."""
    shapes = ground.shapes
    for key in keys:
        found, names = steps_below(shapes, key)
        if not found:
            return Nowhere(key, names)
        shapes = found
    return Ground(shapes, ground.kinds)


def path_fault(place: Path, nowhere: Nowhere) -> Fault:
    """Return the fault of a path that names no field."""
    there = f"there are {', '.join(nowhere.names)}" if nowhere.names else "nothing is below"
    return Fault(place, "unknown-path", f"no such field: {there}", near(nowhere.key, nowhere.names))


def faults_of(condition: Condition, ground: Ground, place: Path) -> Iterator[Fault]:
    """Paths that lead nowhere, values that can't be, and questions about other resources where there are none."""
    if condition.path is not None:
        below = follow(ground, keys_of(condition.path))
        if isinstance(below, Nowhere):
            yield path_fault((*place, "path"), below)
            return
        ground = below
    yield from _choices(condition, ground, place)
    for word in ("some", "every"):
        inner: Condition | None = getattr(condition, word)
        if inner is not None:
            items = follow(ground, (EVERY,))
            if isinstance(items, Nowhere):
                yield Fault((*place, word), "unknown-path", "no list and no map is here")
            else:
                yield from faults_of(inner, items, (*place, word))
    for word in ("size", "key", "address"):
        inner = getattr(condition, word)
        if inner is not None:
            yield from faults_of(inner, ground._replace(shapes=VALUE), (*place, word))
    for word in ("referred_by", "refers_to", "in_tenant"):
        related: Related | InTenant | None = getattr(condition, word)
        if related is not None:
            yield from _related(word, related, ground, (*place, word))
    if condition.not_ is not None:
        yield from faults_of(condition.not_, ground, (*place, "not"))
    for word in ("any_of", "all_of"):
        for number, one in enumerate(getattr(condition, word) or ()):
            yield from faults_of(one, ground, (*place, word, number))


def _choices(condition: Condition, ground: Ground, place: Path) -> Iterator[Fault]:
    """Yield a value that is none of those that the schema lists: the condition would never hold."""
    if not all(shape.choices for shape in ground.shapes):
        return
    choices = sorted({choice for shape in ground.shapes for choice in shape.choices})
    values: list[tuple[Path, object]] = [] if condition.equals is None else [(("equals",), condition.equals)]
    values += [(("one_of", number), value) for number, value in enumerate(condition.one_of or ())]
    for path, value in values:
        if value not in choices:
            told = f"this is never the value: it is one of {', '.join(choices)}"
            yield Fault((*place, *path), "unknown-value", told, near(str(value), choices))


def _related(word: str, related: Related | InTenant, ground: Ground, place: Path) -> Iterator[Fault]:
    if not ground.kinds:
        message = f"`{word}` asks for other resources, and a plan holds its changes only"
        yield Fault(place, "conflicting-fields", message)
        return
    kinds = several(related.kind) if related.kind is not None else tuple(KINDS)
    if isinstance(related, Related) and related.field is not None:
        referring = kinds if word == "referred_by" else ground.kinds
        fields = sorted({".".join(ref.path) for kind in referring for ref in KINDS[kind].references})
        if related.field not in fields:
            told = f"no such field refers to anything; there are {', '.join(fields) or 'none'}"
            yield Fault((*place, "field"), "unknown-path", told, near(related.field, fields))
    if related.with_ is not None:
        yield from faults_of(related.with_, ground_of(kinds), (*place, "with"))

"""Walk what models, and types of documents, say may stand at a place: fields, choices, and whether it may be shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.errors import Path
from reconciler.model.risk import Risk

if TYPE_CHECKING:
    from pydantic import BaseModel

Part: TypeAlias = "type[BaseModel] | type[Struct]"


class Shape(Struct, frozen=True):
    """One place: a map with fields (``part``), a map by name, a list, a union told apart by a tag, or a value.

    ``free`` is text of any content: it is shown only where it is declared public. ``private``, ``public``,
    ``healing`` (a change clears the status `error`), ``risks``, ``together`` (risks that a judge
    of whole bodies may find) and ``harmless`` (why there are none) are what the markers of its annotation declare.
    """

    private: bool = False
    public: bool = False
    free: bool = False
    optional: bool = False
    healing: bool = False
    risks: tuple[Risk, ...] = ()
    together: tuple[str, ...] = ()
    harmless: str = ""
    part: Part | None = None
    values: Shape | None = None
    items: Shape | None = None
    members: Mapping[str, Shape] = field(default_factory=dict)
    tag: str | Callable[[Any], Any] | None = None
    either: tuple[Shape, ...] = ()
    choices: tuple[str, ...] = ()
    is_open: bool = False
    """Whether the field takes maps of any shape."""
    is_whole: bool = False
    """Whether it is one value, whatever stands in it, for who selects fields."""


class Spot(NamedTuple):
    """Where an error is: its path in the raw body, what the schema says there, and whether it is about the key."""

    path: Path
    shape: Shape | None
    on_key: bool


@cache
def fields_of(part: Part) -> Mapping[str, Shape]:
    """Return the fields of a model by name, read from its annotations once."""
    from reconciler.kinds.annotations import (
        read_fields,  # pydantic's models: a configuration that is settled needs none
    )

    return read_fields(part)


def locate(part: type[BaseModel], loc: tuple[str | int, ...]) -> Spot:
    """Turn pydantic's ``loc`` into a path: the tags of unions are no part of it."""
    shape: Shape | None = Shape(part=part)
    path: list[str | int] = []
    on_key = False
    for step in loc:
        if shape is not None and shape.members and str(step) in shape.members:
            shape = shape.members[str(step)]
        elif step == "[key]" and shape is not None:
            on_key = True
        elif shape is not None and shape.either and not isinstance(step, int):
            continue
        else:
            path.append(step)
            shape = next(iter(below(shape, step)), None) if shape is not None else None
    return Spot(tuple(path), shape, on_key)


def shown(parts: tuple[type[BaseModel], ...], raw: Any, path: Path) -> bool:
    """Whether the value at ``path`` may be shown: every model that has a field there says that it is public."""
    shapes = [Shape(part=part) for part in parts]
    for step in path:
        shapes = places_below(shapes, raw, step)
        raw = _item(raw, step)
    return bool(shapes) and all(_public(shape, raw) for shape in shapes)


def places_below(shapes: Sequence[Shape], raw: Any, step: str | int) -> list[Shape]:
    """Return what the schema says one step below ``raw``, which stands at a place of any of these shapes."""
    return [inner for shape in shapes for inner in below(member_of(shape, raw), step)]


def is_map(shape: Shape) -> bool:
    """Whether the schema says what the entries of a map are that stands here."""
    inner = (*shape.members.values(), *shape.either)
    return shape.part is not None or shape.values is not None or any(map(is_map, inner))


def is_list(shape: Shape) -> bool:
    """Whether the schema says what the items of a list are that stands here."""
    return shape.items is not None or any(map(is_list, (*shape.members.values(), *shape.either)))


def _public(shape: Shape, raw: Any, declared: bool = False) -> bool:
    """Free text is public only where it, or what it is an item of, is ``declared`` so."""
    declared = declared or shape.public
    if shape.private or (shape.free and not declared) or shape.part or shape.values is not None or shape.members:
        return False
    if shape.either:
        return all(_public(one, raw, declared) for one in shape.either)
    if shape.items is not None:
        items = raw if isinstance(raw, list) else [raw]
        return all(_public(shape.items, item, declared) for item in items)
    return not isinstance(raw, dict | list)


def member_of(shape: Shape, raw: Any) -> Shape:
    """Return the member of a union that the raw value names; the union itself where it names none."""
    if isinstance(shape.tag, str):
        tag = raw.get(shape.tag) if isinstance(raw, dict) else None
    else:
        tag = shape.tag(raw) if shape.tag else None
    return shape.members.get(tag, shape) if isinstance(tag, str) else shape


def below(shape: Shape, step: str | int) -> Iterator[Shape]:
    """Yield what stands one step below a shape: the field, entry or item, in every member of a union that has it."""
    found: Shape | None = None
    if shape.part is not None:
        found = fields_of(shape.part).get(str(step))
    elif isinstance(step, int):
        found = shape.items
    else:
        found = shape.values
    if found is not None:
        yield replace(found, private=True) if shape.private else found
    for member in (*shape.members.values(), *shape.either):
        yield from below(member, step)


def _item(raw: Any, step: str | int) -> Any:
    try:
        return raw[step]
    except (KeyError, IndexError, TypeError):
        return None


def steps_below(shapes: Sequence[Shape], step: str) -> tuple[tuple[Shape, ...], tuple[str, ...]]:
    """Return what stands one step below any of the shapes (``*``: every entry or item), and the names of fields there are.

    Where the schema leaves open what a value holds, everything is below it.
    """
    found: list[Shape] = []
    names: set[str] = set()
    for shape in shapes:
        for one in members_of(shape):
            if one.part is not None and step != "*":
                names |= fields_of(one.part).keys()
                found += [fields_of(one.part)[step]] if step in fields_of(one.part) else []
            elif one.part is None:
                below = one.items if one.items is not None and step == "*" else one.values
                found += [below] if below is not None else [one] if one.is_open else []
    return tuple(found), tuple(sorted(names))


def members_of(shape: Shape) -> Iterator[Shape]:
    """Yield the members of a union, over however many levels; a shape that is none is its only one."""
    inner = (*shape.members.values(), *shape.either)
    if not inner:
        yield shape
    for one in inner:
        yield from members_of(replace(one, private=True) if shape.private else one)

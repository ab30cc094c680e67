"""Which risks the fields of a model declare, by the path that the reference has for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from pydantic import BaseModel

from reconciler.kinds.schema import Part, Shape, fields_of
from reconciler.model.risk import RISKS
from reconciler.render.reference.fields import DEEPEST

Path = tuple[str, ...]


@cache
def declared_risks(model: type[BaseModel]) -> Mapping[Path, tuple[str, ...]]:
    """Return the risks of every field, the gravest first.

    A path has the tag of a variant below its field, ``*`` for the entries of a map and the items of a list, and ``map``
    for the fields of a map that is one of several forms of a value.
    """
    return {path: tuple(name for name in RISKS if name in names) for path, names in _fields(model, ()) if names}


def _fields(model: Part, path: Path) -> Iterator[tuple[Path, frozenset[str]]]:
    for name, shape in fields_of(model).items() if len(path) < DEEPEST else ():
        yield (*path, name), frozenset({*(risk.name for risk in shape.risks), *shape.together})
        yield from _inside(shape, (*path, name))


def _inside(shape: Shape, path: Path) -> Iterator[tuple[Path, frozenset[str]]]:
    if shape.part is not None:
        yield from _fields(shape.part, path)
    if isinstance(shape.tag, str):
        tags = [fields_of(one.part)[shape.tag] for one in shape.members.values() if one.part is not None]
        yield (*path, shape.tag), frozenset(risk.name for tag in tags for risk in tag.risks)
    for tag, member in shape.members.items():
        # a tag that is a field of its own names a variant; else the value has several forms
        yield from _inside(member, (*path, tag if isinstance(shape.tag, str) else "map"))
    for inner in (shape.values, shape.items):
        if inner is not None:
            yield from _inside(inner, path if inner.members else (*path, "*"))

"""Layers of a body, from defaults over base to overlays, merged into one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from reconciler.errors import Path
from reconciler.kinds.schema import fields_of, locate
from reconciler.model.kind import Kind

Typed: TypeAlias = Callable[[Path], bool]
"""Whether the map at a path says by its ``type`` which fields it has, so that another ``type`` is another thing."""


def typed_by(kind: Kind) -> Typed:
    """Return the body itself, and the maps inside of it for which the schema says so; a label named `type` is only a label."""

    def typed(path: Path) -> bool:
        shapes = (locate(variant, path).shape for variant in kind.variants.values())
        return not path or any(
            shape is not None and (shape.members or (shape.part is not None and "type" in fields_of(shape.part)))
            for shape in shapes
        )

    return typed


def deep_merge(base: Any, over: Any, typed: Typed, path: Path = ()) -> Any:
    """Merge two values: maps by key, null removes, lists and scalars replace; another ``type`` replaces the whole map."""
    if not isinstance(over, dict):
        return over
    if not isinstance(base, dict) or is_retyped(base, over, typed, path):
        base = {}
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = deep_merge(merged.get(key), value, typed, (*path, key))
    return merged


def fill(body: Mapping[str, Any], defaults: Mapping[str, Any], typed: Typed, path: Path = ()) -> dict[str, Any]:
    """Fill what the body does not set from the defaults; null in the body keeps a default away."""
    filled = dict(body)
    for key, value in defaults.items():
        own = filled.get(key)
        if key not in filled:
            filled[key] = value
        elif own is None:
            del filled[key]
        elif isinstance(own, dict) and isinstance(value, dict) and not is_retyped(own, value, typed, (*path, key)):
            filled[key] = fill(own, value, typed, (*path, key))
    return filled


def without_nulls(defaults: Mapping[str, Any], over: Any, below: Any, body: Any) -> Mapping[str, Any]:
    """Return the defaults but for those that a layer takes away by null, where the layers ``below`` have nothing to take.

    ``body`` is what all layers make together: a later one may say otherwise.
    """
    kept = dict(defaults)
    below, body = (value if isinstance(value, dict) else {} for value in (below, body))
    for key, value in over.items() if isinstance(over, dict) else ():
        if value is None and key not in below and key not in body:
            kept.pop(key, None)
        elif isinstance(kept.get(key), dict):
            kept[key] = without_nulls(kept[key], value, below.get(key), body.get(key))
    return kept


def is_retyped(one: Mapping[str, Any], other: Mapping[str, Any], typed: Typed, path: Path = ()) -> bool:
    """Whether two maps are of different types, so that fields of one mean nothing in the other."""
    types = one.get("type"), other.get("type")
    return None not in types and types[0] != types[1] and typed(path)

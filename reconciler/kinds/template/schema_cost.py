"""What judging a value by a JSON Schema costs at most: against how many schemas one part of the value is held.

A part is the value itself, an entry of a map, the name of an entry, or an item of a list. Schemas that share a part (`allOf`, `anyOf`,
`$ref` and the like) add up; those of different parts (`properties`) don't. So a definition that a hundred properties refer
to costs no more than one that a single property refers to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
from msgspec import Struct, field

from reconciler.kinds.template.pattern import weight

MAX_BYTES = 256 * 1024
MAX_WIDTH = 2_000
"""Schemas that one part of a value is held against."""
MAX_LEVELS = 64
"""Schemas inside each other that share a part; a value has levels of its own (``strict_json.MAX_DEPTH``)."""
_MOST_STEPS = 500_000
"""Of finding the cost out: the largest descriptions of APIs take 50,000."""
_SHARED = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"})
_REFERENCES = frozenset({"$ref", "$dynamicRef"})
LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
MAPS = frozenset({"properties", "patternProperties", "dependentSchemas"})
_PARTS: Mapping[str, str] = {
    **dict.fromkeys(("patternProperties", "unevaluatedProperties", "additionalProperties", "properties"), "entry"),
    **dict.fromkeys(("items", "prefixItems", "contains", "unevaluatedItems"), "item"),
    "propertyNames": "name",
}
_NAMED = frozenset({"properties", "prefixItems"})
_OTHERS = frozenset({"items", "additionalProperties"})
"""Keywords for entries and items that no keyword of ``_NAMED`` beside them names."""


class TooMuch(ValueError):
    """A schema is beyond a bound; the text says which."""


def require_bounded(schema: Any) -> None:
    """Raise TooMuch for a schema whose cost is not linear in the size of a value, or beyond a bound."""
    if len(orjson.dumps(schema)) > MAX_BYTES:
        raise TooMuch(f"a schema has at most {MAX_BYTES} bytes")
    if _most(schema, lambda _: 1) > MAX_WIDTH:
        raise _too_wide()


def steps_of(schema: Any) -> int:
    """Return what each character of a value costs at most, by the weights of all patterns. Raises TooMuch."""
    return _most(schema, _steps) if b'"pattern' in orjson.dumps(schema) else 0


def _steps(schema: Any) -> int:
    if not isinstance(schema, dict):
        return 0
    named = schema.get("patternProperties")
    patterns = [schema.get("pattern"), *(named if isinstance(named, dict) else ())]
    return sum(weight(one) for one in patterns if isinstance(one, str))


class _Held(Struct, frozen=True):
    """What a part meets that is held against one schema: a cost, and the schemas that the parts below it are held against.

    ``below`` has the parts by what they are and by name; None stands for any other name.
    """

    cost: int
    below: Mapping[tuple[str, str | int | None], list[Any]]


class _Own(Struct):
    """What one schema, without those that share its part, holds the parts below against."""

    named: dict[tuple[str, str | int], Any] = field(default_factory=dict)
    others: dict[str, list[Any]] = field(default_factory=dict)
    every: dict[str, list[Any]] = field(default_factory=dict)

    def unnamed(self, kind: str) -> list[Any]:
        return [*self.others.get(kind, ()), *self.every.get(kind, ())]


class _Walk(Struct):
    root: Any
    cost_of: Callable[[Any], int]
    steps: int = 0
    held: dict[int, _Held] = field(default_factory=dict)

    def meets(self, schema: Any) -> _Held:
        """Return what a part meets that is held against a schema. Raises TooMuch."""
        if id(schema) not in self.held:
            sharing: list[Any] = []
            self._share(schema, 0, frozenset(), sharing)
            owns = [_own(one) for one in sharing if isinstance(one, dict)]
            self.held[id(schema)] = _Held(sum(map(self.cost_of, sharing)), self._joined(owns))
        return self.held[id(schema)]

    def _share(self, schema: Any, level: int, above: frozenset[int], found: list[Any]) -> None:
        """Find a schema and those that share its part, each as often as it is referred to; the engine stops at a circle."""
        found.append(schema)
        if len(found) > MAX_WIDTH:
            raise _too_wide()
        if level > MAX_LEVELS:
            raise TooMuch(f"a schema has at most {MAX_LEVELS} levels for one part, those behind references included")
        for key, value in schema.items() if isinstance(schema, dict) else ():
            if key in _SHARED:
                for part in _listed(key, value):
                    self._share(part, level + 1, above, found)
            elif key in _REFERENCES and isinstance(value, str):
                target = target_of(self.root, value)
                if id(target) not in above:
                    self._share(target, level + 1, above | {id(target)}, found)

    def _joined(self, owns: list[_Own]) -> dict[tuple[str, str | int | None], list[Any]]:
        below: dict[tuple[str, str | int | None], list[Any]] = {}
        for own in owns:
            for key, part in own.named.items():
                below.setdefault(key, []).append(part)
        wide = [own for own in owns if own.others or own.every]
        self.steps += len(owns) + len(below) * (len(wide) + 1)
        if self.steps > _MOST_STEPS:
            raise _too_wide()
        for (kind, name), parts in below.items():
            for own in wide:
                is_named = name is not None and (kind, name) in own.named
                parts += own.every.get(kind, ()) if is_named else own.unnamed(kind)
        for own in wide:
            for kind in {*own.others, *own.every}:
                below.setdefault((kind, None), []).extend(own.unnamed(kind))
        return below


def _own(schema: dict[str, Any]) -> _Own:
    found = _Own()
    for key, value in schema.items():
        kind = _PARTS.get(key)
        if kind is None or isinstance(value, bool):  # true and false cost nothing
            continue
        if key in _NAMED and isinstance(value, dict | list):
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            found.named.update({(kind, name): part for name, part in pairs})
        elif key in _OTHERS:
            found.others[kind] = [value]
        else:
            found.every.setdefault(kind, []).extend(_listed(key, value))
    return found


def _listed(key: str, value: Any) -> list[Any]:
    """Return the schemas of a keyword; what is none, since the schema is malformed, is for others to judge."""
    if key in MAPS:
        return [*value.values()] if isinstance(value, dict) else []
    if key in LISTS:
        return value if isinstance(value, list) else []
    return [value]


class _Cost(Struct, frozen=True):
    """``most``: of one part at or below. ``whole``: of all parts together; None where a schema refers to itself."""

    most: int
    whole: int | None


def _most(schema: Any, cost_of: Callable[[Any], int]) -> int:
    """Return the greatest cost of one part of a value. Raises TooMuch."""
    walk = _Walk(schema, cost_of)
    known: dict[int, _Cost] = {}
    for circle in _circles(schema, walk):
        cost = _of_circle(circle, walk, known)
        known.update(dict.fromkeys(map(id, circle), cost))
    return known[id(schema)].most


def _of_circle(circle: list[Any], walk: _Walk, known: Mapping[int, _Cost]) -> _Cost:
    """Return the cost of schemas that lead to each other, or of one that does not lead to itself; those below are known.

    Where two ways lead back in the same part, each level of a value doubles the work. What else is met in that part is
    met anew on each level, so all of it counts.
    """
    own = {*map(id, circle)}
    most, whole, around, is_endless = 0, 0, 0, False
    for one in circle:
        held = walk.meets(one)
        most, whole = max(most, held.cost), whole + held.cost
        for parts in held.below.values():
            costs = [known[id(part)] for part in parts if id(part) not in own]
            back, endless = len(parts) - len(costs), any(cost.whole is None for cost in costs)
            if back > 1 or (back and endless):
                raise TooMuch("a schema refers to itself at most once for each part of a value")
            is_endless = is_endless or back > 0 or endless
            all_of_them = sum(cost.whole or 0 for cost in costs)
            most = max(most, sum(cost.most for cost in costs))
            whole += all_of_them
            around += all_of_them if back else 0
    return _Cost(most + around, None if is_endless else whole)


def _circles(schema: Any, walk: _Walk) -> Iterator[list[Any]]:
    """Yield the schemas that parts are held against, those that lead to each other together, and what is below first.

    Tarjan's algorithm for strongly connected components (1972), without recursion.
    """
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    open_: dict[int, Any] = {}
    stack: list[tuple[Any, Iterator[Any]]] = [(schema, _below(schema, walk))]
    order[id(schema)] = low[id(schema)] = 0
    open_[id(schema)] = schema
    while stack:
        one, rest = stack[-1]
        for part in rest:
            if id(part) not in order:
                order[id(part)] = low[id(part)] = len(order)
                open_[id(part)] = part
                stack.append((part, _below(part, walk)))
                break
            if id(part) in open_:
                low[id(one)] = min(low[id(one)], order[id(part)])
        else:
            stack.pop()
            if stack:
                above = id(stack[-1][0])
                low[above] = min(low[above], low[id(one)])
            if low[id(one)] == order[id(one)]:
                keys = [*open_]
                yield [open_.pop(key) for key in keys[keys.index(id(one)) :]]


def _below(schema: Any, walk: _Walk) -> Iterator[Any]:
    return (part for parts in walk.meets(schema).below.values() for part in parts)


def _too_wide() -> TooMuch:
    return TooMuch(
        f"a part of a value is held against at most {MAX_WIDTH} subschemas, each counted as often as it is referred to"
    )


def target_of(root: Any, reference: str) -> Any:
    """Return the subschema that a reference inside of ``root`` points at, None for nothing there."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return None
    for step in reference[2:].split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(root, dict) and key in root:
            root = root[key]
        elif isinstance(root, list) and key.isdecimal() and int(key) < len(root):
            root = root[int(key)]
        else:
            return None
    return root if isinstance(root, dict | bool) else None

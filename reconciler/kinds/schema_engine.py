"""Values held against JSON Schemas by one engine, which fetches nothing, and says what was expected without repeating a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from reconciler.model.target import Unfit

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator

ARGUMENTS = "arguments"
"""What a value without a root of its own is called."""
_PATTERN_BYTES = 1024 * 1024
"""What one compiled pattern may take up."""
_BACKTRACKS = 100_000
"""How often the engine of a foreign schema's patterns may go back before a value is refused."""


class UnusableSchema(ValueError):
    """The engine can't use a schema."""


class _Compiled(NamedTuple):
    validator: Validator
    names: frozenset[str]
    """Names that the schema gives to properties: no message shows another one."""


def schema_fault(schema: Any, value: Any, root: str, foreign: bool = False) -> Unfit | None:
    """Return the first fault of a value: its path, which begins with ``root``, and what was expected there.

    A schema of ours is of draft 2020-12, and its patterns match in linear time. A ``foreign`` one is of the draft that it
    names in `$schema`, and its patterns may look around, within a bound. Raises UnusableSchema.
    """
    found = _compiled(schema, foreign)
    from jsonschema_rs import ValidationError

    try:
        found.validator.validate(value)
    except ValidationError as error:
        return Unfit(_path(root, error.instance_path, found.names), _expected(error, root))
    except (ValueError, TypeError, OverflowError):
        return Unfit(root or ARGUMENTS, "this is no value that can be judged")
    return None


def require_usable(schema: Any, foreign: bool = False) -> None:
    """Raise UnusableSchema for a schema that the engine refuses."""
    _compiled(schema, foreign)


def _compiled(schema: Any, foreign: bool) -> _Compiled:
    text = orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)
    return (_small if len(text) <= _SMALL else _large)(text, foreign)


def _engine_of(text: bytes, foreign: bool) -> _Compiled:
    # imported when a value is judged: the engine is larger than everything else of this room
    import jsonschema_rs as engine

    schema = orjson.loads(text)
    sizes = {"size_limit": _PATTERN_BYTES, "dfa_size_limit": _PATTERN_BYTES}
    try:
        if foreign:
            patterns = engine.FancyRegexOptions(backtrack_limit=_BACKTRACKS, **sizes)
            validator = engine.validator_for(schema, retriever=_refuse, pattern_options=patterns)
        else:
            options = engine.RegexOptions(**sizes)
            validator = engine.Draft202012Validator(schema, retriever=_refuse, pattern_options=options)
    except (engine.ValidationError, engine.ReferencingError, ValueError, TypeError):
        raise UnusableSchema from None
    return _Compiled(validator, frozenset(_keys(schema)))


_SMALL = 32 * 1024
_small, _large = lru_cache(maxsize=1024)(_engine_of), lru_cache(maxsize=64)(_engine_of)
"""A compiled schema takes up twenty times its text: 5 MB for the largest."""


def _refuse(_uri: str) -> Any:
    raise ValueError("nothing is fetched")


def _keys(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            yield key
            yield from _keys(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _keys(value)


def _path(root: str, parts: list[str | int], names: frozenset[str]) -> str:
    shown = (str(part) if isinstance(part, int) or part in names else "*" for part in parts)
    return "/".join([*filter(None, [root]), *shown]) or ARGUMENTS


def _expected(error: ValidationError, root: str) -> str:
    """Return what a keyword of the schema expects; the value itself is never repeated."""
    kind = error.kind
    # `false` is the schema of what may not be there: where it stands says what that is
    name = str(error.schema_path[-1]) if kind.name == "falseSchema" and error.schema_path else kind.name
    expects = _EXPECTS.get(name)
    return f"this is not what the schema of the {root or ARGUMENTS} says" if expects is None else expects(kind)


def _bound(words: str) -> Callable[[Any], str]:
    return lambda kind: f"expected {words.format(kind.limit)}"


_UNDECLARED = "a key is not declared, and no other keys are allowed"
_EXPECTS: Mapping[str, Callable[[Any], str]] = {
    "type": lambda kind: f"expected {' or '.join(kind.types)}",
    "required": lambda kind: f"`{kind.property}` is missing",
    "additionalProperties": lambda _: _UNDECLARED,
    "unevaluatedProperties": lambda _: _UNDECLARED,
    "propertyNames": lambda _: "the name of a key is not allowed",
    "enum": lambda _: "expected one of the values in `enum`",
    "const": lambda _: "expected the value of `const`",
    "minimum": _bound("at least {}"),
    "maximum": _bound("at most {}"),
    "exclusiveMinimum": _bound("more than {}"),
    "exclusiveMaximum": _bound("less than {}"),
    "multipleOf": lambda kind: f"expected a multiple of {kind.multiple_of}",
    "minLength": _bound("at least {} characters"),
    "maxLength": _bound("at most {} characters"),
    "minItems": _bound("at least {} items"),
    "maxItems": _bound("at most {} items"),
    "minProperties": _bound("at least {} keys"),
    "maxProperties": _bound("at most {} keys"),
    "pattern": lambda kind: f"expected text that matches {kind.pattern}",
    "uniqueItems": lambda _: "expected items that differ from each other",
    "anyOf": lambda _: "expected one of the forms in `anyOf`",
    "oneOf": lambda _: "expected exactly one of the forms in `oneOf`",
    "not": lambda _: "this has the form that `not` excludes",
    "contains": lambda _: "no item has the form in `contains`",
}

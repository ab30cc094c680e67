"""JSON bodies held against a template's JSON Schema by an engine whose patterns match in linear time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from reconciler.model.target import Unfit

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

BODY = "body"
_PATTERN_BYTES = 1024 * 1024
"""What one compiled pattern may take up."""


class UnusableSchema(ValueError):
    """The engine can't use a schema."""


class _Compiled(NamedTuple):
    validator: Draft202012Validator
    names: frozenset[str]
    """Names that the schema gives to properties: no message shows another one."""


def body_fault(schema: Any, body: Any) -> Unfit | None:
    """Return the first fault of a body: its path, and what was expected there. Raises UnusableSchema."""
    found = _compiled(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))
    from jsonschema_rs import ValidationError

    try:
        found.validator.validate(body)
    except ValidationError as error:
        return Unfit(_path(error.instance_path, found.names), _expected(error))
    except (ValueError, TypeError, OverflowError):
        return Unfit(BODY, "this is no value that can be judged")
    return None


def require_usable(schema: Any) -> None:
    """Raise UnusableSchema for a schema that the engine refuses."""
    _compiled(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=256)
def _compiled(text: bytes) -> _Compiled:
    # imported when a template has a body: the engine is larger than everything else of this room
    from jsonschema_rs import Draft202012Validator, ReferencingError, RegexOptions, ValidationError

    schema = orjson.loads(text)
    options = RegexOptions(size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES)
    try:
        validator = Draft202012Validator(schema, retriever=_refuse, pattern_options=options)
    except (ValidationError, ReferencingError, ValueError, TypeError):
        raise UnusableSchema from None
    return _Compiled(validator, frozenset(_keys(schema)))


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


def _path(parts: list[str | int], names: frozenset[str]) -> str:
    return "/".join([BODY, *(str(part) if isinstance(part, int) or part in names else "*" for part in parts)])


def _expected(error: ValidationError) -> str:
    """Return what a keyword of the schema expects; the value itself is never repeated."""
    kind = error.kind
    # `false` is the schema of what may not be there: where it stands says what that is
    name = str(error.schema_path[-1]) if kind.name == "falseSchema" and error.schema_path else kind.name
    expects = _EXPECTS.get(name)
    return "this is not what the schema of the body says" if expects is None else expects(kind)


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

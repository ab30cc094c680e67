"""The words of a problem: pydantic's errors in terms of YAML, with a stable code and a way out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Required, TypedDict, cast

from reconciler.codes import Code
from reconciler.errors import Problem
from reconciler.kinds.foreign import meant_by
from reconciler.kinds.nearest import near
from reconciler.kinds.schema import Spot, fields_of, locate, shown
from reconciler.model.body import get
from reconciler.model.secret_text import MASK, secrets_in

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

_WANTED = {
    "string_type": "text",
    "string_unicode": "text",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "bool_type": "a boolean (true or false)",
    "decimal_type": "a number",
    "float_type": "a number",
    "number": "a number",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "invalid_key": "text as a key",
    "scalar": "text, a number or a boolean",
}
_RANGE = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
    "greater_than": ("more than", "gt"),
    "less_than": ("less than", "lt"),
}
_PYTHON_NUMBER = re.compile(r"Decimal\('(.*)'\)")
_NUMBER_CODES = {
    "decimal_max_places",
    "decimal_max_digits",
    "decimal_whole_digits",
    "finite_number",
    "int_parsing_size",
}
_LENGTH: Mapping[str, tuple[Code, str]] = {
    "string_too_long": ("too-long", "at most {max_length} characters"),
    "string_too_short": ("too-short", "at least {min_length} characters"),
    "too_long": ("too-long", "at most {max_length} items"),
    "too_short": ("too-short", "at least {min_length} items"),
}


class _Words(TypedDict, total=False):
    """What a problem says; ``below`` is a key that its path goes on with."""

    code: Required[Code]
    message: Required[str]
    expected: str
    hint: str | None
    below: str


_INSTEAD = {
    "name": "the name of a resource is its key in the map, not a field",
    "required": "a parameter without `default` is required; one that may be missing says `nullable: true`",
    "optional": "give the parameter a `default`, or say `nullable: true`",
}


def type_of(value: Any) -> str:
    """Return what a value is, without the value."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int):
        return "an integer"
    if isinstance(value, str):
        return "text" if value else "empty text"
    return "a map" if isinstance(value, dict) else "a list" if isinstance(value, list | tuple) else "a number"


def problem_of(variant: type[BaseModel], raw: Any, detail: ErrorDetails, address: str) -> Problem:
    """One error of pydantic as a problem; only names of the schema, types and public values get into its text."""
    spot = locate(variant, detail["loc"])
    value = get(raw, spot.path)
    words = _words(variant, raw, detail, spot, value)
    path = (*spot.path, words["below"]) if "below" in words else spot.path
    on_key = spot.on_key or detail["type"] in {"extra_forbidden", "invalid_key"}
    expected, hint = words.get("expected"), words.get("hint")
    return Problem(words["code"], words["message"], address, path, expected=expected, hint=hint, on_key=on_key)


def _words(variant: type[BaseModel], raw: Any, detail: ErrorDetails, spot: Spot, value: Any) -> _Words:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _WANTED:
        wanted, found = _WANTED[kind], type_of(value)
        public = shown((variant,), raw, spot.path) and len(str(value)) <= 60
        message = f"expected {wanted}, found {'text that is not Unicode' if kind == 'string_unicode' else found}"
        return {"code": "wrong-type", "message": message, "expected": wanted, "hint": _retype(wanted, value, public)}
    if kind == "missing":
        return {"code": "missing-field", "message": f"`{_last(spot)}` is required"}
    if kind == "extra_forbidden":
        allowed = _siblings(variant, detail["loc"])
        name = _last(spot)
        message = f"unknown field `{name}`"
        return {
            "code": "unknown-field",
            "message": message,
            "expected": ", ".join(allowed),
            "hint": _INSTEAD.get(name) or _inside(variant, detail["loc"], name) or near(name, allowed),
        }
    if kind in {"literal_error", "union_tag_invalid", "union_tag_not_found"}:
        return _choice(kind, spot, value)
    if kind in _RANGE and context:
        word, key = _RANGE[kind]
        wanted = f"{word} {_PYTHON_NUMBER.sub(lambda one: one[1], str(context[key]))}"
        return {"code": "out-of-range", "message": f"expected {wanted}", "expected": wanted}
    if kind in _NUMBER_CODES:
        return {"code": "out-of-range", "message": "expected a number with at most 15 digits and 9 decimals"}
    if kind in _LENGTH and context:
        code, template = _LENGTH[kind]
        wanted = template.format(**context)
        return {"code": code, "message": f"expected {wanted}", "expected": wanted}
    if kind == "string_pattern_mismatch":
        return {"code": "invalid-format", "message": f"expected text of the form {context.get('pattern')}"}
    if kind == "recursion_loop":
        return {"code": "too-deep", "message": "this value contains itself"}
    if kind in {"value_error", "assertion_error"} or ("_" in kind and kind not in _LENGTH):
        return {"code": "invalid-value", "message": "this value is not allowed here"}
    # ours, from fields.py and the rules of the kinds: their messages never repeat a value
    code = _LENGTH[kind][0] if kind in _LENGTH else cast(Code, kind)
    return {"code": code, "message": detail["msg"], "hint": context.get("hint")}


def _choice(kind: str, spot: Spot, value: Any) -> _Words:
    shape = spot.shape
    if shape is None or not (shape.members or shape.choices):
        return {"code": "invalid-choice", "message": "this is none of the allowed values"}
    expected = ", ".join(shape.members or shape.choices)
    if not shape.members:
        hint = near(value, shape.choices) if isinstance(value, str) and not shape.private else None
        return {
            "code": "invalid-choice",
            "message": f"expected one of {expected}, found {'another text' if isinstance(value, str) else type_of(value)}",
            "expected": expected,
            "hint": meant_by(_last(spot), value) or hint or _yes_no(value, shape.choices),
        }
    key = shape.tag if isinstance(shape.tag, str) else ""
    if kind == "union_tag_not_found":
        missing = f"`{key}` is required: one of {expected}"
        return {"code": "missing-field", "message": missing, "expected": expected, "below": key}
    given = value.get(key) if isinstance(value, dict) else None
    hint = near(given, shape.members) if isinstance(given, str) else None
    message = f"expected one of {expected}"
    return {"code": "unknown-type", "message": message, "expected": expected, "hint": hint, "below": key}


def _yes_no(value: Any, choices: tuple[str, ...]) -> str | None:
    return "put it in quotes" if isinstance(value, bool | int) and str(value).lower() in choices else None


def _retype(wanted: str, value: Any, public: bool) -> str | None:
    """How to write what was probably meant; repeats the value only if it is public."""
    if wanted == "a list" and isinstance(value, str | int) and not isinstance(value, bool):
        return f"write [{value}]" if public and re.fullmatch(r"[\w./:-]+", str(value)) else "put it in square brackets"
    if wanted == "a map" and isinstance(value, list):
        named = value and all(isinstance(item, dict) and ("name" in item or "key" in item) for item in value)
        return "write a map by name, `first: {...}`, in place of a list of items with `name`" if named else None
    if (wanted == "text" and isinstance(value, bool | int | float)) or (
        wanted == "text" and type_of(value) == "a number"
    ):
        return f'put it in quotes: "{str(value).lower()}"' if public and isinstance(value, bool) else "put it in quotes"
    if wanted == "text" and value is None:
        return 'give text, or "" for empty text'
    if not isinstance(value, str):
        return None
    if wanted.startswith("a boolean"):
        return _boolean(value.strip().lower(), public)
    return _number(value.strip(), public) if wanted in {"an integer", "a number"} else None


def _boolean(text: str, public: bool) -> str | None:
    meant = {"no": "false", "off": "false", "n": "false", "yes": "true", "on": "true", "y": "true"}.get(text)
    if meant:
        return f"YAML 1.2 reads `{text}` as text; write {meant}" if public else f"write {meant}"
    return "remove the quotes" if text in {"true", "false"} else None


def _number(text: str, public: bool) -> str | None:
    if re.fullmatch(r"[-+]?[0-9]+([_,][0-9]+)+(\.[0-9]+)?", text):
        return f"write {re.sub('[_,]', '', text)}" if public else "write the number without separators"
    if re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", text):
        return "remove the quotes"
    if re.fullmatch(r"[0-9]{1,6}(:[0-5]?[0-9]){1,3}", text):
        total = 0
        for part in text.split(":"):
            total = total * 60 + int(part)
        return f"YAML 1.2 reads `{text}` as text; write {total}" if public else "YAML 1.2 reads this as text"
    if re.fullmatch(r"[0-9]+(\.[0-9]+)? ?(ms|s|sec|m|min|h|d|k|kb|mb|gb|kib|mib|gib|b)", text.lower()):
        return "write the plain number; the unit is in the field's name or description"
    return None


def _inside(variant: type[BaseModel], loc: tuple[str | int, ...], name: str) -> str | None:
    """Return the hint for a field that stands one level too high: it belongs into a map beside it."""
    shape = locate(variant, loc[:-1]).shape
    for sibling, inner in fields_of(shape.part).items() if shape is not None and shape.part is not None else ():
        if inner.part is not None and name in fields_of(inner.part):
            return f"it belongs into `{sibling}`: write `{sibling}: {{{name}: ...}}`"
    return None


def _siblings(variant: type[BaseModel], loc: tuple[str | int, ...]) -> tuple[str, ...]:
    shape = locate(variant, loc[:-1]).shape
    return tuple(fields_of(shape.part)) if shape is not None and shape.part is not None else ()


def shown_key(text: str) -> str:
    """Return a key as a message may quote it: cut, without what a terminal would obey, and masked where it looks like a secret."""
    if secrets_in(text):
        return MASK
    safe = "".join(c if c.isprintable() else "?" for c in text[:65])
    return safe if len(safe) <= 64 else safe[:61] + "..."


def _last(spot: Spot) -> str:
    """Return the key that a path ends with."""
    return shown_key(str(spot.path[-1]) if spot.path else "")

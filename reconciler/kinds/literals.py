"""Literal values that stand in a spec: texts, numbers and booleans, and lists of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator

from reconciler.model.fields import Public, fail, for_models, free_json

MOST_ITEMS = 1000
MOST_CHARACTERS = 4096


def scalar(value: Any) -> Any:
    """Return a text, number or boolean of a spec; for the before-validator of a field."""
    if value is None or not isinstance(value, str | int | float | Decimal):
        raise fail("scalar", "expected text, a number or a boolean")
    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        raise fail("too-long", f"expected at most {MOST_CHARACTERS} characters")
    return free_json(for_models(value) if isinstance(value, str) else value)


def value(raw: Any) -> Any:
    """Return a scalar, or a tuple of them; for the before-validator of a field."""
    if isinstance(raw, list | tuple):
        if len(raw) > MOST_ITEMS:
            raise fail("too-long", f"expected at most {MOST_ITEMS} items")
        return tuple(scalar(item) for item in raw)
    return scalar(raw)


Scalar: TypeAlias = Annotated[bool | int | float | str, BeforeValidator(scalar), Public()]
Value: TypeAlias = Annotated[
    bool | int | float | str | tuple[bool | int | float | str, ...], BeforeValidator(value), Public()
]

"""What a gateway and its worker tell each other: frames of JSON behind their length, and values with their types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from struct import Struct
from typing import Any
from uuid import UUID

from reconciler import strict_json

HEAD = Struct(">I")
"""A frame's length in bytes."""
_READERS: Mapping[str, Callable[[str], Any]] = {
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "uuid": UUID,
    "decimal": Decimal,
    "integer": int,
}


def frame(content: Any) -> bytes:
    """Return content as a frame."""
    data = strict_json.write(content)
    return HEAD.pack(len(data)) + data


def packed(value: Any) -> Any:
    """Return a value as JSON: what JSON has no type for is an object with the name of its type and its text."""
    if isinstance(value, list):
        return [packed(one) for one in value]
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, datetime):
        return {"timestamp": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    name = {UUID: "uuid", Decimal: "decimal", int: "integer"}[type(value)]
    return {name: str(value)}


def unpacked(value: Any) -> Any:
    """Return what ``packed`` was given."""
    if isinstance(value, list):
        return [unpacked(one) for one in value]
    if isinstance(value, dict):
        ((name, text),) = value.items()
        return _READERS[name](text)
    return value

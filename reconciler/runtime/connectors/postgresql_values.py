"""Values turned into what PostgreSQL derived for them, rows that it told as JSON turned into an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import orjson

from reconciler import strict_json
from reconciler.kinds.template.placeholders import with_texts
from reconciler.model.integers import SAFE_INTEGER
from reconciler.runtime.call import Answer, Failed
from reconciler.runtime.connectors.sql_common import Reading, told, too_large
from reconciler.runtime.connectors.sql_rows import Caps


def spelled(reading: Reading, marks: Mapping[str, str]) -> str:
    """Return the statement with each parameter's own text in its places, and nowhere else."""
    return with_texts(reading.sql, reading.lexed.placeholders, marks.__getitem__)


_INTEGERS = {"int2": 2**15, "int4": 2**31, "int8": 2**63}
_TEXTS = frozenset({"text", "varchar", "bpchar", "name", "json", "jsonb", "xml"})
_TYPES = {"string": "text", "integer": "int8", "number": "numeric", "boolean": "bool", "date": "date", "uuid": "uuid"}


def fitted(number: int, parameter: Mapping[str, Any], value: Any, wanted: Any) -> tuple[str, Any]:
    """How the parameter is written, and its value: cast to its own type where what the server derived would bend it.

    ``wanted`` is the derived type, None where there is none. (asyncpg cuts 1.5 to 1 for an integer, and makes
    1.100000000000000088 of 1.1 for a numeric.)
    """
    is_list = parameter["type"] == "array"
    kind = (parameter.get("items") or "string") if is_list else parameter["type"]
    own, name = _own(kind, value if is_list else [value]), wanted.name if wanted is not None else ""
    brackets = "[]" if is_list else ""
    mark = f"${number}"
    if value is None:
        return (mark if name else f"(CAST({mark} AS pg_catalog.{own}{brackets}))"), None
    values = [_exact(one) for one in value] if is_list else [_exact(value)]
    if name.endswith("[]") == is_list and all(_takes(name.removesuffix("[]"), own, one) for one in values):
        floats = name.startswith("float")
        values = [float(one) if floats and isinstance(one, int | Decimal) else one for one in values]
    else:
        mark = f"(CAST({mark} AS pg_catalog.{own}{brackets}))"
        if kind == "string" and name and name.endswith("[]") == is_list:
            # its text, read by the server as what it wants: an enum, a date, an address
            quoted = wanted.name.removesuffix("[]").replace('"', '""')
            mark = f'(CAST({mark} AS "{wanted.schema}"."{quoted}"{brackets}))'
    return mark, values if is_list else values[0]


def _own(kind: str, values: list[Any]) -> str:
    if kind == "timestamp":
        return "timestamptz" if any(one is not None and one.tzinfo is not None for one in values) else "timestamp"
    if kind == "integer" and any(one is not None and not -(2**63) <= one < 2**63 for one in values):
        return "numeric"
    return _TYPES[kind]


def _exact(value: Any) -> Any:
    return Decimal(repr(value)) if isinstance(value, float) else value


def _takes(name: str, own: str, value: Any) -> bool:
    """Whether asyncpg gives this value to a parameter of that type as it is."""
    if own == "text":
        return name in _TEXTS
    if own in {"int8", "numeric"}:
        if name in _INTEGERS:
            return isinstance(value, int) and -_INTEGERS[name] <= value < _INTEGERS[name]
        fits = abs(value) <= SAFE_INTEGER if isinstance(value, int) else Decimal(repr(float(value))) == value
        return name == "numeric" or (name in {"float4", "float8"} and fits)
    return name == own


class Column(NamedTuple):
    """``name`` is what the statement calls it, ``key`` what the server's objects do, ``kind`` its type's name."""

    name: str
    key: str
    kind: str


class Changed(Exception):
    """What came has other columns than what was asked for."""


def told_of(records: Sequence[Sequence[Any]], columns: Sequence[Column], caps: Caps) -> Answer:
    """Rows that the server told first of all as objects of JSON, None for what was too large. Raises Failed, Changed."""
    if any(record[0] is None for record in records[: caps.rows]):
        raise too_large()
    kinds = [one.kind.removesuffix("[]") for one in columns]
    loads: Callable[[str], Any] = orjson.loads
    if not _PLAIN.issuperset(kinds):
        loads = partial(json.loads, parse_float=Decimal, parse_int=_whole, object_pairs_hook=strict_json.unique_keys)
    readers = [(one.key, _READERS.get(kind)) for one, kind in zip(columns, kinds, strict=True)]

    def rows() -> Iterator[list[Any]]:
        for record in records[: caps.rows]:
            row = loads(record[0])
            if len(row) != len(readers):
                raise Changed
            yield [row[key] if read is None else _each(read, row[key]) for key, read in readers]
        yield from [[]] * (len(records) - caps.rows)  # one row too many only says that there are more

    try:
        return told([one.name for one in columns], rows(), caps)
    except KeyError:
        raise Changed from None
    except (TypeError, ValueError, RecursionError):
        raise Failed("unreadable-result", "the result is nothing that JSON can hold") from None


_PLAIN = frozenset({"text", "varchar", "bpchar", "name", "bool", "int2", "int4", "int8", "oid", "uuid", "bytea"}) | {
    *("float4", "float8", "date", "timestamp", "timestamptz")
}
"""Types whose JSON is read as it is; the others may have numbers that are longer than JSON's readers keep them."""


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) < 18 else Decimal(text)


def _number(value: Any) -> Any:
    return None if isinstance(value, str) else value  # "NaN" and the like


def _float(value: Any) -> Any:
    return None if isinstance(value, str) else float(value)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "numeric": _number,
    "float4": _float,
    "float8": _float,
    "bytea": lambda text: bytes.fromhex(text[2:]),
}


def _each(read: Callable[[Any], Any], value: Any) -> Any:
    """Arrays are of any depth."""
    if value is None:
        return value
    return [_each(read, one) for one in value] if isinstance(value, list) else read(value)

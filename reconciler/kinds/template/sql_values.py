"""Values that a dialect can't keep, found without a database: of a call, of a token's claims, and of what a template declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from reconciler import strict_json
from reconciler.model.body import Body
from reconciler.model.target import Unfit

MARGIN = 1024
"""Bytes that SQLite may keep in one value beyond the largest result."""


def unfit(body: Body, connector: Body, values: Mapping[str, Any]) -> Iterator[Unfit]:
    """Yield those of some values, by the parameters of a template of type `sql`, that the connector's dialect can't take."""
    judge = _JUDGES.get(connector["dialect"])
    if judge is None:
        return
    most = least(body, connector, "max_result_bytes") + MARGIN
    for name, value in values.items():
        kind = _scalar(body["parameters"][name])
        message = next(filter(None, (judge(kind, one, most) for one in _each(value))), "")
        if message or (isinstance(value, list) and (message := judge("string", _text(value), most))):
            yield Unfit(name, message)


def least(body: Body, connector: Body, bound: str) -> int:
    """Return the tighter of the template's and the connector's bounds."""
    bounds: list[int | None] = [body.get(bound), connector.get(bound)]
    return min(one for one in bounds if one is not None)


def _scalar(parameter: Mapping[str, Any]) -> str:
    kind: str = parameter["type"]
    return parameter.get("items") or "string" if kind == "array" else kind


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: list[Any]) -> str:
    return strict_json.write(value).decode()


def _sqlite(_kind: str, value: Any, most: int) -> str:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "expected a whole number from -2^63 to 2^63 - 1: SQLite keeps no others"
    if isinstance(value, Decimal):
        return "expected a number with fewer digits: SQLite keeps no more than a float does"
    if isinstance(value, str) and len(value.encode()) > most:
        return f"expected at most {most} bytes"
    return ""


def _postgresql(kind: str, value: Any, _most: int) -> str:
    if isinstance(value, str) and "\0" in value:
        return "expected text without the character NUL: PostgreSQL keeps none"
    if kind == "timestamp" and isinstance(value, str):
        moment = datetime.fromisoformat(value)
        try:
            if moment.tzinfo is not None:
                moment.astimezone(UTC)
        except OverflowError:
            return "expected a time between the years 1 and 9999 in UTC"
    return ""


def _duckdb(_kind: str, value: Any, most: int) -> str:
    if isinstance(value, int) and not -(2**127) <= value < 2**127:
        return "expected a whole number from -2^127 to 2^127 - 1: DuckDB keeps no others"
    if isinstance(value, Decimal) and len(value.as_tuple().digits) > _DUCKDB_DIGITS:
        return f"expected a number with at most {_DUCKDB_DIGITS} digits: DuckDB rounds others"
    if isinstance(value, str) and len(value.encode()) > most:
        return f"expected at most {most} bytes"
    return ""


def _mysql(kind: str, value: Any, most: int) -> str:
    if isinstance(value, str) and len(value.encode()) > most:
        return f"expected at most {most} bytes"
    if isinstance(value, int | Decimal) and not _fits_mysql(Decimal(value)):
        return "expected a number with at most 65 digits, 30 of them behind the point: MySQL keeps no others"
    return _postgresql(kind, value, most) if kind == "timestamp" else ""


def _fits_mysql(value: Decimal) -> bool:
    _, digits, exponent = value.as_tuple()
    return isinstance(exponent, int) and exponent >= -30 and len(digits) + max(exponent, 0) <= 65


_DUCKDB_DIGITS = 38
_JUDGES: Mapping[str, Callable[[str, Any, int], str]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "duckdb": _duckdb,
    "mysql": _mysql,
}

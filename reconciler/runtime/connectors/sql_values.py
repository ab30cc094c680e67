"""Calls of SQL templates judged before anything is recorded or reached: the statement, and values that no database takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from reconciler import strict_json
from reconciler.model.target import Unfit
from reconciler.runtime.call import Call, Failed
from reconciler.runtime.connectors.sql_common import Reader, caps_of, typed
from reconciler.runtime.threads import Worker

MARGIN = 1024
"""Bytes that SQLite may keep in one value beyond the largest result."""


async def judge_sql(call: Call) -> tuple[Unfit, ...]:
    """Return the values that the dialect can't take. Raises Failed for a statement that may not run here."""
    reader = _reader()
    try:
        await reader.read(call)
    except Failed as error:
        reader.report(call, error)
        raise
    judge = _JUDGES.get(call.connector.body["dialect"])
    return tuple(_unfit(call, judge)) if judge else ()


@cache
def _reader() -> Reader:
    """One for all tenants, with one thread: what many statements cost at once is bounded."""
    return Reader(Worker().do)


def _unfit(call: Call, judge: Callable[[Call, Any], str]) -> Iterator[Unfit]:
    for name in call.values:
        value = typed(call, name)
        message = next(filter(None, (judge(call, one) for one in (value if isinstance(value, list) else [value]))), "")
        if message or (
            isinstance(value, list) and (message := judge(call, strict_json.write(call.values[name]).decode()))
        ):
            yield Unfit(name, message)


def _sqlite(call: Call, value: Any) -> str:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return "expected a whole number from -2^63 to 2^63 - 1: SQLite keeps no others"
    if isinstance(value, Decimal):
        return "expected a number with fewer digits: SQLite keeps no more than a float does"
    if isinstance(value, str) and len(value.encode()) > caps_of(call).size + MARGIN:
        return f"expected at most {caps_of(call).size + MARGIN} bytes"
    return ""


def _postgresql(_call: Call, value: Any) -> str:
    if isinstance(value, str) and "\0" in value:
        return "expected text without the character NUL: PostgreSQL keeps none"
    if isinstance(value, datetime) and value.tzinfo is not None:
        try:
            value.astimezone(UTC)
        except OverflowError:
            return "expected a time between the years 1 and 9999 in UTC"
    return ""


_JUDGES: Mapping[str, Callable[[Call, Any], str]] = {"sqlite": _sqlite, "postgresql": _postgresql}

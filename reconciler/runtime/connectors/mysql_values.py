"""Values turned into literals of MySQL and MariaDB.

The client has no prepared statements that stream, so values stand in the text. Texts are hexadecimal literals with their
character set: no mode of the server, no escape and no multi-byte character can end one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from reconciler import strict_json
from reconciler.kinds.template.placeholders import with_texts
from reconciler.runtime.call import Call
from reconciler.runtime.connectors.sql_common import Reading, typed


def written(call: Call, reading: Reading) -> str:
    """Return the statement with a literal for each parameter. Raises UnicodeError, NotStrict."""
    return with_texts(reading.sql, reading.lexed.placeholders, lambda name: literal(typed(call, name)))


def marked(reading: Reading) -> str:
    """Return the statement with the protocol's marks for its parameters."""
    return with_texts(reading.sql, reading.lexed.placeholders, lambda _: "?")


def literal(value: Any) -> str:
    """Return a value as a literal; a list is JSON, for JSON_TABLE and MEMBER OF."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    for kind, write in _WRITERS.items():
        if isinstance(value, kind):
            return write(value)
    return _text(str(value))


def _text(value: str) -> str:
    return f"_utf8mb4 X'{value.encode().hex()}'"


def _number(value: float | Decimal) -> str:
    # an exponent makes a double of it, and its absence a decimal; LIMIT takes no parentheses
    text = f"{value:f}" if isinstance(value, Decimal) else repr(value)
    return f"({text})" if text.startswith("-") else text


def _moment(value: datetime) -> str:
    inner = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo is not None else value
    return f"TIMESTAMP'{inner.isoformat(' ')}'"


def _list(value: list[Any]) -> str:
    return _text(strict_json.write([_plain(one) for one in value]).decode())


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float | str) else str(value)


_WRITERS: Mapping[type, Callable[[Any], str]] = {
    str: _text,
    int: _number,
    float: _number,
    Decimal: _number,
    datetime: _moment,
    date: lambda value: f"DATE'{value.isoformat()}'",
    list: _list,
}

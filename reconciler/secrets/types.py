"""The eight types of secrets: which values fit, what their parts are, and when they end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from reconciler.errors import UsageError
from reconciler.model.stored_secret import MOST_BYTES
from reconciler.secrets.parsers import (
    Parsed,
    Unfit,
    parse_certificate,
    parse_custom,
    parse_database,
    parse_oauth,
    parse_pair,
    parse_ssh_key,
    parse_token,
)


class JudgedField(NamedTuple):
    """The value as it is kept, and when it ends."""

    value: str
    expires_at: datetime | None = None


def judged(type_: str, value: str) -> JudgedField:
    """Return what is kept of a value. Raises UsageError for one that is not of this type; the message never repeats it."""
    if type_ not in _KEEPS_LINES:  # `echo value | ...` and editors end the last line
        value = value.removesuffix("\n").removesuffix("\r")
    if not value.strip():
        raise _unfit("the value is empty")
    if len(value.encode()) > MOST_BYTES:
        raise _unfit(f"the value is longer than {MOST_BYTES} bytes")
    if "\0" in value:
        raise _unfit("the value holds a NUL character")
    try:
        return JudgedField(value, _PARSERS[type_](value).ends)
    except Unfit as error:
        raise _unfit(str(error)) from None


def part_of(type_: str, value: str, name: str) -> str:
    """Return one part of a value, such as the password of a database's URL. Raises Unfit, whose text follows "it"."""
    parts = _PARSERS[type_](value).parts if type_ in _PARSERS else {}
    if name in parts:
        return parts[name]
    known = f"its parts are {', '.join(sorted(parts))}" if parts else "it has no parts"
    raise Unfit(f"the secret of the type {type_} has no part {name}: {known}")


def _unfit(reason: str) -> UsageError:
    return UsageError(reason, code="unfit-value", hint="--type custom takes any text")


_KEEPS_LINES = frozenset({"ssh_key", "certificate"})
_PARSERS: dict[str, Callable[[str], Parsed]] = {
    "api_key": parse_token,
    "oauth": parse_oauth,
    "database": parse_database,
    "bearer_token": parse_token,
    "basic_auth": parse_pair,
    "ssh_key": parse_ssh_key,
    "certificate": parse_certificate,
    "custom": parse_custom,
}

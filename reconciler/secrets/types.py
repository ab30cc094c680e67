"""What a secret's type says of its value: a problem before it is kept, and when it ends, where the value itself tells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from reconciler.errors import UsageError
from reconciler.model.stored_secret import MOST_BYTES

NEVER = 9999


class Judged(NamedTuple):
    """The value as it is kept, and when it ends."""

    value: str
    expires_at: datetime | None = None


def judged(type_: str, value: str) -> Judged:
    """Raises UsageError for what can't be a value of this type; the message never repeats it."""
    if type_ not in _KEEPS_LINES:  # `echo value | ...` and editors end the last line
        value = value.removesuffix("\n").removesuffix("\r")
    if not value.strip():
        raise _unfit("the value is empty")
    if len(value.encode()) > MOST_BYTES:
        raise _unfit(f"the value is longer than {MOST_BYTES} bytes")
    if "\0" in value:
        raise _unfit("the value holds a NUL character")
    return Judged(value, _TYPES[type_](value))


def _unfit(reason: str) -> UsageError:
    return UsageError(reason, code="unfit-value", hint="--type custom takes any text")


def _token(value: str) -> None:
    if any(c.isspace() for c in value):
        raise _unfit("a key or token holds no spaces and no line breaks")


def _url(value: str) -> None:
    try:
        parts = urlsplit(value)
        fits = bool(parts.scheme) or "=" in value  # a URL, or a DSN such as `host=... password=...`
    except ValueError:
        fits = False
    if not fits or "\n" in value:
        raise _unfit("expected a database's URL, or a DSN of key=value pairs")


def _pair(value: str) -> None:
    user, separator, _ = value.partition(":")
    if not separator or not user or "\n" in value:
        raise _unfit("expected user:password")


def _json(value: str) -> None:
    try:
        fits = isinstance(orjson.loads(value), dict)
    except orjson.JSONDecodeError:
        fits = False
    if not fits:
        raise _unfit("expected a JSON object")


def _private_key(value: str) -> None:
    load = load_ssh_private_key if "BEGIN OPENSSH" in value else load_pem_private_key
    try:
        load(value.encode(), None)
    except TypeError:
        return  # it has a passphrase, so it is one
    except Exception:  # of whatever kind: cryptography's parsers raise many
        raise _unfit("expected a private key in PEM or OpenSSH form") from None


def _certificate(value: str) -> datetime | None:
    """The end of the first to end; the last moment of the year 9999 means that there is none (RFC 5280, 4.1.2.5)."""
    try:
        ends = min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(value.encode()))
    except Exception:
        raise _unfit("expected a certificate in PEM") from None
    return ends if ends.year < NEVER else None


def _anything(_value: str) -> None:
    return None


_KEEPS_LINES = frozenset({"ssh_key", "certificate"})
_TYPES: dict[str, Callable[[str], datetime | None]] = {
    "api_key": _token,
    "oauth": _json,
    "database": _url,
    "bearer_token": _token,
    "basic_auth": _pair,
    "ssh_key": _private_key,
    "certificate": _certificate,
    "custom": _anything,
}

"""A parser for each type of secret: the parts that a value consists of, and when it ends.

A part has a name: ``encrypted://NAME#PART`` refers to it. Each parser raises Unfit for a value that is not of its type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from reconciler import strict_json
from reconciler.secrets.placeholders import is_placeholder

NEVER = 9999
SHORTEST_KEY = 8
"""Characters of a key or a token: a shorter one is a typing error, or guessed in minutes."""


class Unfit(ValueError):
    """Raised for a value that is not of its type. The text says why, and repeats no value."""


class Parsed(NamedTuple):
    """The parts of a value by name, and the moment at which the value itself says that it ends."""

    parts: Mapping[str, str] = {}
    ends: datetime | None = None


def parse_token(value: str) -> Parsed:
    """Return a key or a token as an HTTP header carries it (RFC 9110, 5.5)."""
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise Unfit("a key or token is printable ASCII, without spaces and line breaks")
    if "://" in value and value.partition("://")[0].isascii():
        raise Unfit("the value is a reference or a URL, and no key")
    _refuse_placeholder(value)
    if len(value) < SHORTEST_KEY:
        raise Unfit(f"a key or token has at least {SHORTEST_KEY} characters")
    return Parsed()


_OAUTH = ("client_secret", "refresh_token", "access_token", "private_key", "client_assertion")


def parse_oauth(value: str) -> Parsed:
    """Return a JSON object with one of the secrets of OAuth 2 (RFC 6749), or a service account's key."""
    parts = _members(value)
    if parts is None:
        raise Unfit("expected a JSON object")
    secrets = [parts[name] for name in _OAUTH if name in parts]
    if not any(secrets):
        raise Unfit(f"expected one of {', '.join(_OAUTH)} as text")
    for one in secrets:
        _refuse_placeholder(one)
    return Parsed(parts)


def parse_custom(value: str) -> Parsed:
    """Anything; a JSON object has its members as parts."""
    return Parsed(_members(value) or {})


def _members(value: str) -> dict[str, str] | None:
    """Return the members of a JSON object that are text or numbers; None for anything else."""
    document = read_object(value)
    if document is None:
        return None
    found = {key: as_text(one) for key, one in document.items()}
    return {key: one for key, one in found.items() if one is not None}


def read_object(text: str) -> dict[str, Any] | None:
    """Return a JSON object, in which decimals are the text that was written; None for anything else."""
    try:
        strict_json.read(text)
    except strict_json.NotStrict:
        return None
    document = json.loads(text, parse_float=str)
    return document if isinstance(document, dict) else None


def as_text(value: Any) -> str | None:
    """Return a text, or a number as JSON writes it; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        return None
    return str(value)


def parse_pair(value: str) -> Parsed:
    """``username:password`` of HTTP's Basic scheme (RFC 7617, 2); the password may be empty."""
    username, separator, password = value.partition(":")
    if not separator or not username or not value.isprintable():
        raise Unfit("expected username:password in one line")
    if password.startswith("//"):
        raise Unfit("the value is a reference or a URL, and not username:password")
    if password:
        _refuse_placeholder(password)
    return Parsed({"username": username, "password": password})


_PARTS = {
    "username": ("username", "user", "uid", "user id"),
    "password": ("password", "pwd"),
    "host": ("host", "hostaddr", "server", "data source"),
    "port": ("port",),
    "database": ("database", "dbname", "initial catalog"),
}
"""What the parts of a DSN are called by libpq, by ODBC and by ADO.NET."""
_LIBPQ = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']\S*|)(?:\s+|\Z)")
_ODBC = re.compile(r"\s*([A-Za-z][\w ]*?)\s*=\s*(\{[^}]*\}|'[^']*'|\"[^\"]*\"|[^;]*?)\s*(?:;|\Z)")
_IS_ODBC = re.compile(r";\s*(?:[A-Za-z][\w ]*=|\Z)")


def parse_database(value: str) -> Parsed:
    """Return a database's URL (RFC 3986), or a DSN of ``key=value`` pairs."""
    if not value.isprintable():
        raise Unfit("a database's URL or DSN is one line")
    text = value.removeprefix("jdbc:")
    scheme, separator, rest = text.partition("://")
    found = _url(text) if separator and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) and rest else _dsn(text)
    parts = {name: one for name, one in found.items() if one}
    if not parts:
        raise _no_database()
    if "password" in parts:
        _refuse_placeholder(parts["password"])
    return Parsed(parts)


def _url(text: str) -> dict[str, str]:
    try:
        url = urlsplit(text)
        named = _named(dict(parse_qsl(url.query)))
        own = {
            "username": unquote(url.username or ""),
            "password": unquote(url.password or ""),
            "host": url.hostname or "",
            "port": str(url.port or ""),
            "database": unquote(url.path[1:]),
        }
    except ValueError:
        raise _no_database() from None
    if url.scheme in {"vault", "encrypted", "env", "aws-sm"}:
        raise Unfit("the value is a reference, and not a database's URL")
    return {name: own[name] or named.get(name, "") for name in own}


def _dsn(text: str) -> dict[str, str]:
    """Of libpq, separated by blanks (PostgreSQL manual, 34.1.1.1), or of ODBC and ADO.NET, by semicolons."""
    is_odbc = _IS_ODBC.search(text) is not None
    pairs, at = {}, 0
    while at < len(text.rstrip()):
        pair = (_ODBC if is_odbc else _LIBPQ).match(text, at)
        if pair is None:
            raise _no_database()
        value = pair[2][1:-1] if pair[2][:1] in {"{", "'", '"'} else pair[2]
        pairs[pair[1]], at = value if is_odbc else re.sub(r"\\(.)", r"\1", value), pair.end()
    return _named(pairs)


def _named(pairs: Mapping[str, str]) -> dict[str, str]:
    lower = {key.lower(): value for key, value in pairs.items()}
    return {name: next((lower[key] for key in keys if key in lower), "") for name, keys in _PARTS.items()}


def _no_database() -> Unfit:
    return Unfit("expected a database's URL, or a DSN of key=value pairs")


def parse_ssh_key(value: str) -> Parsed:
    """Return a private key in PEM or OpenSSH form; one without a passphrase also has its public key as a part."""
    key = _private_key(value, "expected a private key in PEM or OpenSSH form")
    if key is None:
        return Parsed({"private_key": value})
    try:
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    except Exception:  # a kind of key that OpenSSH doesn't know
        return Parsed({"private_key": value})
    return Parsed({"private_key": value, "public_key": public})


def _private_key(value: str, expected: str) -> Any:
    """Return the key; None for one that a passphrase protects."""
    load: Callable[..., Any] = load_ssh_private_key if "BEGIN OPENSSH" in value else load_pem_private_key
    try:
        return load(value.encode(), None)
    except TypeError:
        return None  # it has a passphrase, so it is one
    except Exception:  # of whatever kind: cryptography's parsers raise many
        raise Unfit(expected) from None


_KEY_BLOCK = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----\n?", re.DOTALL)


def parse_certificate(value: str) -> Parsed:
    """Certificates in PEM, the own one first, with or without its private key.

    The end is that of the first to end; the last moment of the year 9999 means none (RFC 5280, 4.1.2.5).
    """
    try:
        chain = x509.load_pem_x509_certificates(value.encode())
        ends = min(one.not_valid_after_utc for one in chain)
    except Exception:  # of whatever kind: cryptography's parsers raise many
        raise Unfit("expected a certificate in PEM") from None
    parts = {"certificate": "".join(one.public_bytes(Encoding.PEM).decode() for one in chain)}
    if block := _KEY_BLOCK.search(value):
        parts["private_key"] = block[0]
        key = _private_key(block[0], "the private key beside the certificate is not in PEM form")
        if key is not None and _public(key.public_key()) != _public(chain[0].public_key()):
            raise Unfit("the private key is not the certificate's")
    return Parsed(parts, ends if ends.year < NEVER else None)


def _public(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _refuse_placeholder(value: str) -> None:
    if is_placeholder(value):
        raise Unfit("the value stands for a secret, and is none")
    return

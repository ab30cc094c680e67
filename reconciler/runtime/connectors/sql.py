"""Connectors of type `sql` turned into the gateway of their dialect; values and rows turned into a server's and back."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from reconciler.access.snapshot import Resource
from reconciler.kinds.template.placeholders import placeholders
from reconciler.runtime.call import Answer, Connection, Failed, Surroundings
from reconciler.runtime.connectors.sql_common import SAFE_INTEGER, Caps, told, too_large

_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
"""From what protects nothing to what protects most."""


async def open_sql(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Raises Failed for a dialect that is none of ours yet."""
    dialect = connector.body["dialect"]
    if dialect == "sqlite":
        from reconciler.runtime.connectors.sqlite import open_sqlite

        return await open_sqlite(tenant, connector, around)
    if dialect == "postgresql":
        from reconciler.runtime.connectors.postgresql import open_postgresql

        return await open_postgresql(tenant, connector, around)
    raise Failed("not-supported", f"databases of the dialect {dialect} can't be used yet", "blocked")


class Target(NamedTuple):
    """Where to dial, and as whom. ``folder`` is that of a Unix socket."""

    host: str
    port: int
    database: str
    user: str | None
    password: str | None
    ssl: str

    @property
    def folder(self) -> str | None:
        return self.host if self.host.startswith("/") else None


async def target_of(
    tenant: str, body: Mapping[str, Any], around: Surroundings, schemes: Collection[str], port: int
) -> Target:
    """Secrets are fetched here, at the last moment; ``port`` is the usual one. Raises Failed."""
    if body.get("dsn") is None:
        password = await around.resolve(tenant, body["password"]) if body.get("password") else None
        return Target(
            body["host"], body.get("port") or port, body["database"], body.get("username"), password, body["ssl"]
        )
    text = await around.resolve(tenant, body["dsn"])
    try:
        return _of_dsn(text, schemes, port, body["ssl"])
    except ValueError:
        # what urlsplit has to say quotes the password
        raise Failed("invalid-dsn", "the connection string can't be read") from None


def _of_dsn(text: str, schemes: Collection[str], port: int, mode: str) -> Target:
    parts = urlsplit(text)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    host = query.get("host") or unquote(parts.hostname or "")
    if parts.scheme not in schemes or not host:
        raise ValueError
    # the spec was reviewed and the secret was not: it may ask for more protection, and not for less
    wanted = query.get("sslmode", mode).replace("allow", "prefer")
    return Target(
        host,
        parts.port or int(query.get("port", port)),
        unquote(parts.path.lstrip("/")) or "postgres",
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        _MODES[max(_MODES.index(mode), _MODES.index(wanted))],
    )


def tls_of(target: Target) -> tuple[ssl.SSLContext | None, ...]:
    """How to encrypt, in the order of trying; None is not at all."""
    if target.ssl == "disable" or target.folder is not None:
        return (None,)
    context = _Named(ssl.PROTOCOL_TLS_CLIENT)
    context.name = target.host
    context.load_default_certs()
    context.check_hostname = target.ssl == "verify-full"
    if not target.ssl.startswith("verify"):
        context.verify_mode = ssl.CERT_NONE
    return (context, None) if target.ssl == "prefer" else (context,)


class _Named(ssl.SSLContext):
    """Asks for, and checks, the name that the connector says, although an address is dialled."""

    name = ""

    def wrap_bio(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["server_hostname"] = self.name
        return super().wrap_bio(*args, **kwargs)


def spelled(sql: str, dialect: str, marks: Mapping[str, str]) -> str:
    """The statement with each parameter's own text in its places, and nowhere else."""
    parts, at = [], 0
    for name, offset in placeholders(sql, dialect).placeholders:
        parts += [sql[at:offset], marks[name]]
        at = offset + len(name) + 1
    return "".join([*parts, sql[at:]])


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
        fits = not isinstance(value, int) or abs(value) <= SAFE_INTEGER
        return name == "numeric" or (name in {"float4", "float8"} and fits)
    return name == own


def told_of(texts: Sequence[str | None], attributes: Any, caps: Caps) -> Answer:
    """Rows that the server told as objects of JSON, None for what was too large. Raises Failed."""
    if None in texts[: caps.rows]:
        raise too_large()
    loads: Callable[[str], Any] = orjson.loads
    if not all(one.type.name.removesuffix("[]") in _PLAIN for one in attributes):
        loads = partial(json.loads, parse_float=Decimal, parse_int=_whole)
    readers = [_READERS.get(one.type.name.removesuffix("[]")) for one in attributes]

    def rows() -> Iterator[list[Any]]:
        for text in texts:
            # the one row too many only says that there are more; it may be too large as well
            row = {} if text is None else loads(text)
            yield [_each(read, value) for read, value in zip(readers, row.values(), strict=False)]

    try:
        return told([one.name for one in attributes], rows(), caps)
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


def _each(read: Callable[[Any], Any] | None, value: Any) -> Any:
    """Arrays are of any depth."""
    if value is None or read is None:
        return value
    return [_each(read, one) for one in value] if isinstance(value, list) else read(value)

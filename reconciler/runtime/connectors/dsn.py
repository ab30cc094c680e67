"""A connector's spec, or the connection string behind its secret, turned into where to dial, as whom, and how encrypted."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from reconciler.runtime.call import Failed, Resolve

_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
"""From what protects nothing to what protects most."""


_USUAL = {"postgresql": "postgres", "postgres": "postgres"}
"""The database of a connection string that names none."""


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
    tenant: str, body: Mapping[str, Any], resolve: Resolve, schemes: Collection[str], port: int
) -> Target:
    """Secrets are fetched here, at the last moment; ``port`` is the usual one. Raises Failed."""
    if body.get("dsn") is None:
        password = await resolve(tenant, body["password"]) if body.get("password") else None
        return Target(
            body["host"], body.get("port") or port, body["database"], body.get("username"), password, body["ssl"]
        )
    text = await resolve(tenant, body["dsn"])
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
        unquote(parts.path.lstrip("/")) or _USUAL.get(parts.scheme, ""),
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

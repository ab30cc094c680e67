"""An HTTP session that dials judged addresses only, keeps connections, and neither cookies nor redirects nor an environment's proxy."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from reconciler.runtime.addresses import checked, refused
from reconciler.runtime.call import Failed, Permits

PIECE = 65536
"""Bytes that are read at once."""
CONNECTIONS = 20
"""Open connections to one API."""
Exceptions = Sequence[Mapping[str, Any]]
"""A connector's `network_exceptions`."""


def guarded_session(
    exceptions: Exceptions,
    permits: Permits,
    decompress: bool = True,
    connections: int = CONNECTIONS,
    piece: int = PIECE,
) -> aiohttp.ClientSession:
    """Return a session for one connector, with so many ``connections`` at most, that reads ``piece`` bytes at once.

    What it raises for a refused address has a Failed behind it.
    """
    guard = Guard(exceptions, permits)
    dialler = aiohttp.TCPConnector(
        resolver=guard, use_dns_cache=False, limit=connections, socket_factory=guard.socket, force_close=False
    )
    return aiohttp.ClientSession(
        connector=dialler,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
        auto_decompress=decompress,
        raise_for_status=False,
        skip_auto_headers=("User-Agent",),
        read_bufsize=piece,
    )


def refusal_behind(error: BaseException | None) -> Failed | None:
    """Return the refusal of an address that an error of the session comes from; None for any other."""
    while error is not None and not isinstance(error, Failed):
        error = error.__cause__ or error.__context__
    return error


def retry_after(response: aiohttp.ClientResponse) -> int | None:
    """Return the seconds that the other side asks for, at most 9,999; None where it asks for none, or by a date."""
    asked = response.headers.get("Retry-After", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 5 else None


def as_it_is(url: str) -> URL:
    """Return a URL that is sent as it is written: nothing is decoded or encoded anew."""
    return URL(url, encoded=True)


class Guard(AbstractResolver):
    """aiohttp's question for addresses, answered with those that were judged; nothing is remembered."""

    def __init__(self, exceptions: Exceptions, permits: Permits) -> None:
        self._exceptions, self._permits = exceptions, permits

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await checked(host, port, self._permits, self._exceptions)
        return [_result(host, address, port) for address in found]

    async def close(self) -> None:
        return None

    def socket(self, info: Any) -> socket.socket:
        """Return the socket to dial with. aiohttp asks no resolver about IP literals: what is dialled is judged here once more."""
        family, kind, protocol, _, address = info
        if why := refused(address[0], address[1], self._permits, self._exceptions):
            raise OSError("refused") from Failed(
                "address-refused", f"that address may not be reached: {why}", "blocked"
            )
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return {"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": flags}

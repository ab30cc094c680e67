"""Requests to Vault sent in bounds: of time, of size, to one server; an answer that is no success becomes an exception."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import requests
from hvac import exceptions

MOST_BYTES = 1024 * 1024
MOST_TEXT = 4096
"""Bytes that are kept of what an error says; enough to tell errors apart."""


class Odd(exceptions.VaultError):
    """An answer that no Vault gives; the text says what it is."""


class _Own(threading.local):
    """What belongs to the call of one thread: when it has to be over."""

    until = 0.0


class Session(requests.Session):
    """Reads no more than ``MOST_BYTES`` and, as far as ``requests`` lets it, no longer than until ``own.until``.

    Its timeout is one per read, so a server that sends a byte now and then outlives it: see ``fetch.bounded``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.own = _Own()

    def send(self, request: requests.PreparedRequest, **named: Any) -> requests.Response:
        response = super().send(request, **{**named, "stream": True, "timeout": max(0.05, self._left())})
        with response:
            body = b""
            for chunk in response.iter_content(8192):
                body += chunk
                if len(body) > MOST_BYTES:
                    raise Odd(f"an answer of more than {MOST_BYTES // 1024} KiB")
                if self._left() < 0:
                    raise requests.exceptions.ReadTimeout("too slow")
        response._content = body
        status = response.status_code
        if 300 <= status < 400:  # from a standby; the token must not follow it
            raise Odd(f"a redirect ({status}); its address has to be the active server's, or a load balancer's")
        if status >= 400:
            # here, and not by hvac: it fails on errors that are not in Vault's own form
            text = body[:MOST_TEXT].decode(errors="replace")
            raise exceptions.VaultError.from_status(_known(status), f"status {status}", text=text)
        return response

    def _left(self) -> float:
        return self.own.until - time.monotonic()


def _known(status: int) -> int:
    """502 for what a gateway or a proxy says and hvac has no name for, as 504."""
    return status if status <= 503 else 502


def session_of(environ: Mapping[str, str]) -> Session:
    """``environ`` as of ``vault_client.settings``: names without VAULT_ or BAO_."""
    session = Session()
    session.trust_env = False  # no .netrc, no proxy that was meant for something else
    session.verify = environ.get("CACERT") or environ.get("CAPATH") or True
    proxy = environ.get("PROXY_ADDR")
    session.proxies = {"http": proxy, "https": proxy} if proxy else {}
    certificate, key = environ.get("CLIENT_CERT"), environ.get("CLIENT_KEY")
    if certificate and key:
        session.cert = (certificate, key)
    return session

"""How a client that was given nothing but a URL finds out where to log in: OAuth's protected resource metadata (RFC 9728).

A refusal names the metadata's URL; the metadata names the issuers whose tokens are taken. The client asks one of them for
a token for this resource (RFC 8707), whose audience is checked like any other token's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconciler.load.serve_file import AgentsListener, Issuer
from reconciler.runtime.surfaces.origins import LOOPBACK_HOST

METADATA = "/.well-known/oauth-protected-resource"
RESOURCES = ("", "/mcp")
"""Paths that are resources of their own; the first is the server itself, which stands for everything else."""
METADATA_PATHS = frozenset(METADATA + path for path in RESOURCES)
_IS_LOOPBACK_HOST = re.compile(LOOPBACK_HOST)


class Discovery:
    """``public_url`` is this server's address in public; where it is not set, a request's Host, which was checked, says it."""

    def __init__(self, listener: AgentsListener, issuers: Mapping[str, Issuer]) -> None:
        self._public_url = None if listener.public_url is None else listener.public_url.rstrip("/")
        urls = {issuer.issuer for issuer in issuers.values() if issuer.issuer.startswith(("https://", "http://"))}
        self._issuers = sorted(urls)

    @property
    def audiences(self) -> tuple[str, ...]:
        """Return this server's own names as audiences of tokens; none where only requests say them."""
        return () if self._public_url is None else tuple(self._public_url + path for path in RESOURCES)

    def metadata(self, path: str, host: str) -> dict[str, Any]:
        """Return the document at one of ``METADATA_PATHS``."""
        servers = {"authorization_servers": self._issuers} if self._issuers else {}
        resource = self._base(host) + path.removeprefix(METADATA)
        return {"resource": resource, **servers, "bearer_methods_supported": ["header"]}

    def challenge(self, path: str, host: str, has_credential: bool) -> str:
        """Return the value of WWW-Authenticate for a refused request (RFC 6750 section 3, RFC 9728 section 5.1)."""
        suffix = path if path in RESOURCES else RESOURCES[0]
        error = ', error="invalid_token"' if has_credential else ""
        return f'Bearer resource_metadata="{self._base(host)}{METADATA}{suffix}"{error}'

    def _base(self, host: str) -> str:
        if self._public_url is not None:
            return self._public_url
        return f"{'http' if _IS_LOOPBACK_HOST.fullmatch(host) else 'https'}://{host}"

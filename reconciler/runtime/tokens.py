"""A token of a trusted issuer, turned into its claims once its signature, audience and times hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import jwt

from reconciler.load.serve_file import Issuer
from reconciler.runtime.threads import in_thread

REFRESH_SECONDS, LEAST_SECONDS = 300.0, 10.0
"""Keys are fetched anew after the first; for a key that is not known, no more often than the second."""


class Tokens:
    """The keys of each issuer, fetched when they are needed."""

    def __init__(self, issuers: Mapping[str, Issuer]) -> None:
        self._issuers = issuers
        self._keys: dict[str, tuple[float, Mapping[str, Any]]] = {}
        self._turn = asyncio.Lock()

    async def claims(self, token: str) -> tuple[str, dict[str, Any]] | None:
        """The issuer's name here, and what the token says; None for whatever does not hold."""
        try:
            header = jwt.get_unverified_header(token)
            said = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except jwt.PyJWTError:
            return None
        for name, issuer in self._issuers.items():
            if issuer.issuer == said and header.get("alg") in issuer.algorithms:
                key = await self._key(name, issuer, str(header.get("kid", "")))
                claims = None if key is None else _verified(token, key, issuer)
                if claims is not None:
                    return name, claims
        return None

    async def _key(self, name: str, issuer: Issuer, kid: str) -> Any:
        fetched, keys = self._keys.get(name, (-REFRESH_SECONDS, {}))
        age = time.monotonic() - fetched
        if age > REFRESH_SECONDS or (kid not in keys and age > LEAST_SECONDS):
            async with self._turn:
                if self._keys.get(name, (fetched, keys))[0] == fetched:
                    found: Mapping[str, Any] | None = await in_thread(_fetched, issuer.jwks_url)
                    keys = keys if found is None else found
                    self._keys[name] = (time.monotonic(), keys)
        keys = self._keys[name][1]
        return keys.get(kid) if kid else next(iter(keys.values()), None) if len(keys) == 1 else None


def _fetched(url: str) -> Mapping[str, Any] | None:
    try:
        found = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=5).get_signing_keys()
    except (jwt.PyJWTError, OSError, ValueError):
        return None
    return {key.key_id or "": key for key in found}


def _verified(token: str, key: Any, issuer: Issuer) -> dict[str, Any] | None:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[*issuer.algorithms],
            audience=issuer.audience,
            issuer=issuer.issuer,
            options={"require": ["exp", "iss", "aud"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return claims

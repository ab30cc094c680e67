"""A token of a trusted issuer, turned into its claims once its signature, audience and times hold."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jwt

from reconciler.load.serve_file import Issuer
from reconciler.runtime.threads import in_thread

REFRESH_SECONDS, LEAST_SECONDS = 300.0, 10.0
"""Keys are fetched anew after the first; for a key that is not known, no more often than the second."""
LEEWAY_SECONDS = 30
"""By how much the issuer's clock and this one may differ (RFC 7519, section 4.1.4)."""


class NoKeys(Exception):
    """The keys of an issuer can't be fetched: whether a token is good is not known."""


class _Keys(NamedTuple):
    """The keys of an issuer by their ids, and when somebody last tried to fetch them, in monotonic time."""

    fetched: float
    keys: Mapping[str, Any]
    failed: bool = False


class Tokens:
    """The keys of each issuer, fetched when they are needed."""

    def __init__(self, issuers: Mapping[str, Issuer], audiences: tuple[str, ...] = ()) -> None:
        self._issuers, self._audiences = issuers, audiences
        self._keys = dict.fromkeys(issuers, _Keys(-math.inf, {}))
        self._turns = {name: asyncio.Lock() for name in issuers}

    async def claims(self, token: str) -> tuple[str, dict[str, Any]] | None:
        """Return the issuer's name here and the claims of a token, None for one that does not hold. Raises NoKeys."""
        unverified = _unverified(token)
        if unverified is None:
            return None
        header, said = unverified
        for name, issuer in self._issuers.items():
            if issuer.issuer == said and header.get("alg") in issuer.algorithms:
                key = await self._key(name, issuer, str(header.get("kid", "")))
                claims = None if key is None else _verified(token, key, issuer, self._audiences)
                if claims is not None:
                    return name, claims
        return None

    async def _key(self, name: str, issuer: Issuer, kid: str) -> Any:
        """Return the key that a token names, or the only one for a token that names none. Raises NoKeys."""
        known = self._keys[name]
        age = time.monotonic() - known.fetched
        if age > REFRESH_SECONDS or (kid not in known.keys and age > LEAST_SECONDS):
            async with self._turns[name]:
                if self._keys[name] is known:
                    found: Mapping[str, Any] | None = await in_thread(_fetched, issuer.jwks_url)
                    keys = known.keys if found is None else found
                    self._keys[name] = _Keys(time.monotonic(), keys, found is None)
        known = self._keys[name]
        key = known.keys.get(kid) if kid else next(iter(known.keys.values()), None) if len(known.keys) == 1 else None
        if key is None and known.failed:
            raise NoKeys(name)
        return key


def _unverified(token: str) -> tuple[Mapping[str, Any], Any] | None:
    """Return a token's header and the issuer that it names, None for a text that is no token."""
    try:
        header = jwt.get_unverified_header(token)
        return header, jwt.decode(token, options={"verify_signature": False}).get("iss")
    except Exception:  # whatever a sender makes up
        return None


def _fetched(url: str) -> Mapping[str, Any] | None:
    try:
        found = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=5).get_signing_keys()
    except Exception:  # whatever an issuer sends: it is asked no more often, and the keys that are known stay
        return None
    return {key.key_id or "": key for key in found}


def _verified(token: str, key: Any, issuer: Issuer, audiences: tuple[str, ...]) -> dict[str, Any] | None:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[*issuer.algorithms],
            audience=[issuer.audience, *audiences],
            issuer=issuer.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return claims

"""A token of a trusted issuer, turned into its claims once its signature, audience and times hold."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

from reconciler.load.serve_file import Issuer
from reconciler.runtime.threads import in_thread

REFRESH_SECONDS, LEAST_SECONDS = 300.0, 10.0
"""Keys are fetched anew after the first; for a key that is not known, no more often than the second."""


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
        if issuers:  # now, and not while the first agent waits
            import_module("reconciler.runtime.token_claims")

    async def claims(self, token: str) -> tuple[str, dict[str, Any]] | None:
        """Return the issuer's name here and the claims of a token, None for one that does not hold. Raises NoKeys."""
        if not self._issuers:
            return None
        from reconciler.runtime.token_claims import unverified, verified

        found = unverified(token)
        if found is None:
            return None
        header, said = found
        for name, issuer in self._issuers.items():
            if issuer.issuer == said and header.get("alg") in issuer.algorithms:
                key = await self._key(name, issuer, str(header.get("kid", "")))
                claims = None if key is None else verified(token, key, issuer, self._audiences)
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
                    from reconciler.runtime.token_claims import fetched

                    found: Mapping[str, Any] | None = await in_thread(fetched, issuer.jwks_url)
                    keys = known.keys if found is None else found
                    self._keys[name] = _Keys(time.monotonic(), keys, found is None)
        known = self._keys[name]
        key = known.keys.get(kid) if kid else next(iter(known.keys.values()), None) if len(known.keys) == 1 else None
        if key is None and known.failed:
            raise NoKeys(name)
        return key

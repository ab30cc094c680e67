"""What a token says, before and after its signature holds, and the keys of an issuer. Imported where an issuer is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt

from reconciler.load.serve_file import Issuer

LEEWAY_SECONDS = 30
"""By how much the issuer's clock and this one may differ (RFC 7519, section 4.1.4)."""


def unverified(token: str) -> tuple[Mapping[str, Any], Any] | None:
    """Return a token's header and the issuer that it names, None for a text that is no token."""
    try:
        header = jwt.get_unverified_header(token)
        return header, jwt.decode(token, options={"verify_signature": False}).get("iss")
    except Exception:  # whatever a sender makes up
        return None


def fetched(url: str) -> Mapping[str, Any] | None:
    """Return the keys at an issuer's address by their ids; None where it can't be asked."""
    try:
        found = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=5).get_signing_keys()
    except Exception:  # whatever an issuer sends: it is asked no more often, and the keys that are known stay
        return None
    return {key.key_id or "": key for key in found}


def verified(token: str, key: Any, issuer: Issuer, audiences: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the claims of a token whose signature, audience and times hold; else None."""
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

"""How this client proves who it is to a server of tokens.

Sources: RFC 6749 (section 2.3.1, a secret), RFC 7523 (section 2.2, a signed assertion; one that somebody else has made).
"""

from __future__ import annotations

import time
import uuid
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from reconciler.runtime.call import Failed
from reconciler.runtime.connectors.credential import Secret

ASSERTION_SECONDS = 60
ALGORITHMS = ("RS256", "ES256", "ES384", "ES512", "EdDSA")
"""The first that a key can sign by is taken."""
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
"""The grant of an assertion (RFC 7523)."""
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class ClientProof(NamedTuple):
    """What a request of a token carries besides what it asks for."""

    form: Mapping[str, str]
    headers: Mapping[str, str]


async def proof_of(auth: Mapping[str, Any], endpoint: str, secret: Secret) -> ClientProof:
    """Return the proof that a connector's `auth` says. Raises Failed."""
    client, way = auth["client_id"], auth.get("client_auth") or "client_secret_basic"
    if way == "client_secret_basic":
        pair = f"{quote_plus(client)}:{quote_plus(await secret(auth['client_secret']))}"
        return ClientProof({}, {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"})
    if way == "client_secret_post":
        return ClientProof({"client_id": client, "client_secret": await secret(auth["client_secret"])}, {})
    assertion = (
        (await secret(auth["client_assertion"])).strip()
        if way == "client_assertion"
        else _signed(client, endpoint, await secret(auth["private_key"]), auth.get("key_id"))
    )
    return ClientProof({"client_id": client, "client_assertion_type": _ASSERTION, "client_assertion": assertion}, {})


def _signed(client: str, endpoint: str, key: str, key_id: str | None) -> str:
    """Return an assertion for one minute. Raises Failed for a key that can't sign."""
    said = {"iss": client, "sub": client, "aud": endpoint, "jti": str(uuid.uuid4())}
    return signed(said, ASSERTION_SECONDS, key, key_id)


def signed(said: Mapping[str, Any], seconds: int, key: str, key_id: str | None) -> str:
    """Return a JWT that says this for so many seconds from now. Raises Failed for a key that can't sign."""
    import jwt
    from jwt.algorithms import get_default_algorithms

    now = int(time.time())
    whole = {**said, "iat": now, "exp": now + seconds}
    headers = {"kid": key_id} if key_id else None
    known = get_default_algorithms()
    for algorithm in ALGORITHMS:
        try:
            known[algorithm].prepare_key(key)
            return jwt.encode(whole, key, algorithm=algorithm, headers=headers)
        except (ValueError, TypeError, NotImplementedError, jwt.PyJWTError):
            continue  # a key of another sort
    raise Failed("token-refused", "the client's key can't sign", "blocked")

"""Access tokens of OAuth 2 for a connector: fetched for whom they are, kept as long as they hold, and one request for all who wait.

Grants: client credentials (RFC 6749, section 4.4), token exchange (RFC 8693), on behalf of (RFC 7523, as Entra asks for it).
Metadata of an issuer: RFC 8414, taken from its own origin alone. Resource indicators: RFC 8707.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import aiohttp
from msgspec import Struct

from reconciler import strict_json
from reconciler.kinds.template.form import FORM
from reconciler.model.body import Body, digest
from reconciler.runtime.call import Failed, Subject, Surroundings
from reconciler.runtime.connectors.guarded import as_it_is, guarded_session, refusal_behind
from reconciler.runtime.connectors.oauth_client import JWT_BEARER, ClientProof, proof_of
from reconciler.strict_json import NotStrict

MOST_TOKENS = 8_192
MOST_BYTES = 64 * 1024
WAIT_SECONDS = 10.0
"""How long a server of tokens has for its answer."""
DEFAULT_SECONDS, LONGEST_SECONDS = 300.0, 3600.0
"""How long a token is taken to hold where nobody says it, and at most."""
RENEWED_AT = 0.8
"""Of the time that a token holds: after that, it is fetched anew."""
REFUSED_SECONDS = 1.0
METADATA_SECONDS = 3600.0
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_ACCESS = "urn:ietf:params:oauth:token-type:access_token"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_WELL_KNOWN = ("oauth-authorization-server", "openid-configuration")


class Wanted(NamedTuple):
    """A token: for a connector of a tenant, by its uid, and for a subject where the grant is per user."""

    tenant: str
    uid: str
    connector: Body
    subject: Subject | None = None

    @property
    def auth(self) -> Mapping[str, Any]:
        auth: Mapping[str, Any] = self.connector["auth"]
        return auth

    @property
    def key(self) -> tuple[str, str, str, str]:
        of_subject = hashlib.sha256(self.subject.token.encode()).hexdigest() if self.subject else ""
        return self.tenant, self.uid, digest(self.auth), of_subject


class _Kept(Struct):
    """``token`` is "" while it was refused; times are monotonic."""

    token: str
    renewed: float
    ends: float
    refusal: Failed | None = None


class Tokens:
    """Those of one server process."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()
        self._fetching: dict[tuple[str, ...], asyncio.Task[_Kept]] = {}
        self._endpoints: dict[str, tuple[float, str]] = {}

    async def token(self, wanted: Wanted, around: Surroundings, anew: bool = False) -> str:
        """Return a token that holds; ``anew``: the one that is kept was refused. Raises Failed."""
        key, now = wanted.key, time.monotonic()
        if anew:
            self._kept.pop(key, None)
        kept = self._kept.get(key)
        if kept is not None and kept.refusal is not None and now < kept.ends:
            raise kept.refusal
        if kept is None or now >= kept.ends or kept.refusal is not None:
            kept = await self._fetched(key, wanted, around)
        elif now >= kept.renewed and key not in self._fetching:
            self._begin(key, wanted, around)  # in the background: this one still holds
        if kept.refusal is not None:
            raise kept.refusal
        return kept.token

    async def _fetched(self, key: tuple[str, ...], wanted: Wanted, around: Surroundings) -> _Kept:
        task = self._fetching.get(key) or self._begin(key, wanted, around)
        return await asyncio.shield(task)

    def _begin(self, key: tuple[str, ...], wanted: Wanted, around: Surroundings) -> asyncio.Task[_Kept]:
        task = self._fetching[key] = asyncio.create_task(self._fetch(key, wanted, around))
        task.add_done_callback(lambda _task: self._fetching.pop(key, None))
        return task

    async def _fetch(self, key: tuple[str, ...], wanted: Wanted, around: Surroundings) -> _Kept:
        now = time.monotonic()
        try:
            token, seconds = await self._ask(wanted, around)
            around.note(wanted.tenant, token)
            kept = _Kept(token, now + seconds * RENEWED_AT, now + seconds)
        except Failed as error:
            old = self._kept.get(key)
            if old is not None and old.refusal is None and now < old.ends:
                return old  # a renewal that failed takes nothing away
            kept = _Kept("", now, now + REFUSED_SECONDS, Failed(error.code, str(error), "blocked", error.status))
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_TOKENS:
            self._kept.popitem(last=False)
        return kept

    async def _ask(self, wanted: Wanted, around: Surroundings) -> tuple[str, float]:
        """Return a token, and for how many seconds it holds. Raises Failed."""

        async def secret(reference: str) -> str:
            return await around.resolve(wanted.tenant, reference)

        auth = wanted.auth
        session = guarded_session(wanted.connector["network_exceptions"], around.permits)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                endpoint = auth.get("token_url") or await self._endpoint(session, auth["issuer"])
                proof = await proof_of(auth, endpoint, secret)
                status, told = await _posted(session, endpoint, {**_form(wanted), **proof.form}, proof)
        except TimeoutError:
            raise Failed("token-refused", "the server of tokens does not answer", "blocked") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise refusal_behind(error) or Failed(
                "token-refused", "the server of tokens can't be reached", "blocked"
            ) from None
        finally:
            await session.close()
        return _read(status, told, wanted.subject)

    async def _endpoint(self, session: aiohttp.ClientSession, issuer: str) -> str:
        """Return the endpoint that an issuer's metadata name; on its own origin. Raises Failed."""
        known = self._endpoints.get(issuer)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        parts = urlsplit(issuer)
        origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
        places = [f"{origin}/.well-known/{_WELL_KNOWN[0]}{path}", f"{origin}{path}/.well-known/{_WELL_KNOWN[1]}"]
        for place in places:
            async with session.get(as_it_is(place), allow_redirects=False) as response:
                told = _json(await _bounded(response)) if response.status == 200 else {}
            endpoint = told.get("token_endpoint")
            if told.get("issuer") == issuer and isinstance(endpoint, str) and _origin(endpoint) == origin:
                self._endpoints[issuer] = time.monotonic() + METADATA_SECONDS, endpoint
                return endpoint
        raise Failed("token-refused", "the issuer's metadata name no endpoint on its own origin", "blocked")


def _form(wanted: Wanted) -> dict[str, str]:
    """Return what is asked for, without who asks."""
    auth, subject = wanted.auth, wanted.subject
    grant = auth.get("grant") or "client_credentials"
    form = {"grant_type": grant}
    if grant != "client_credentials":
        if subject is None:
            raise Failed("token-refused", "the caller has no token to exchange", "blocked")
        form = (
            {
                "grant_type": _EXCHANGE,
                "subject_token": subject.token,
                "subject_token_type": _JWT,
                "requested_token_type": _ACCESS,
            }
            if grant == "token_exchange"
            else {"grant_type": JWT_BEARER, "assertion": subject.token, "requested_token_use": "on_behalf_of"}
        )
    if auth["scopes"]:
        form["scope"] = " ".join(auth["scopes"])
    if auth.get("audience"):
        form["audience"] = auth["audience"]
    if resource := _resource(wanted.connector):
        form["resource"] = resource
    return form


def _resource(connector: Body) -> str:
    said = connector["auth"].get("resource") or "auto"
    if said == "auto":
        return connector["url"] if connector["type"] == "mcp" else ""
    return "" if said == "none" else said


async def _posted(
    session: aiohttp.ClientSession, endpoint: str, form: Mapping[str, str], proof: ClientProof
) -> tuple[int, bytes]:
    headers = {"Content-Type": FORM, "Accept": "application/json", **proof.headers}
    data = urlencode(form).encode()
    async with session.post(as_it_is(endpoint), data=data, headers=headers, allow_redirects=False) as response:
        return response.status, await _bounded(response)


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    found = bytearray()
    async for piece in response.content.iter_chunked(MOST_BYTES):
        found += piece
        if len(found) > MOST_BYTES:
            response.close()
            raise Failed("token-refused", "the answer of the server of tokens is too large", "blocked")
    return bytes(found)


def _read(status: int, told: bytes, subject: Subject | None) -> tuple[str, float]:
    """Return a token and its seconds. What the server says of a refusal is shown to nobody. Raises Failed."""
    if status != 200:
        raise Failed("token-refused", "the server of tokens refuses", "blocked", status)
    found = _json(told)
    token, kind = found.get("access_token"), found.get("token_type")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise Failed("token-refused", "the server of tokens gives no token", "blocked")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise Failed("token-refused", "the server of tokens gives a token of another type than Bearer", "blocked")
    said = found.get("expires_in")
    if isinstance(said, str) and said.isdecimal() and len(said) < 10:
        said = int(said)
    is_number = isinstance(said, int | float) and not isinstance(said, bool) and said > 0
    seconds = min(float(said) if is_number else DEFAULT_SECONDS, LONGEST_SECONDS)  # type: ignore[arg-type]
    return token, seconds if subject is None else max(0.0, min(seconds, subject.expires - time.time()))


def _json(told: bytes) -> dict[str, Any]:
    try:
        found = strict_json.read(told)
    except NotStrict:
        return {}
    return found if isinstance(found, dict) else {}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"

"""A credential of a request turned into the caller that it proves; the tenant follows from it, and from nothing else."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from reconciler.access.judge import Caller, ProvingToken, frozen_by
from reconciler.access.keys import holder_of
from reconciler.runtime.source import InForce, Source, Stale
from reconciler.runtime.surfaces.discovery import Discovery
from reconciler.runtime.tokens import NoKeys, Tokens
from reconciler.store.keys import digest


class Unprovable(Exception):
    """Whether a credential is good can't be found out at the moment: that is an outage, and no wrong key."""


class AgentEntrance:
    """Proves callers by keys and by tokens of trusted issuers, against what is in force."""

    def __init__(self, source: Source, tokens: Tokens, discovery: Discovery) -> None:
        self._source, self._tokens, self._discovery = source, tokens, discovery

    async def prove(self, authorization: str) -> Caller | None:
        scheme, _, credential = authorization.partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            return None
        in_force = self._in_force()
        if credential.startswith("rk_"):
            return by_key(in_force, credential, utc_now())
        try:
            found = await self._tokens.claims(credential)
        except NoKeys:
            raise Unprovable from None
        who = None if found is None else by_claims(self._in_force(), *found)
        return None if who is None else who._replace(token=ProvingToken(credential))

    def is_frozen(self, who: Caller) -> bool:
        in_force = self._in_force()
        return frozen_by(in_force.status, who.within(in_force.snapshot.tenant(who.tenant)), None) is not None

    def challenge(self, path: str, host: str, has_credential: bool) -> str:
        return self._discovery.challenge(path, host, has_credential)

    def wants(self, path: str) -> str:
        if path == "/metrics":
            return "Metrics are on the operators' listener, for a token of serve.yaml's `operators` with the scope `metrics`."
        return "Send a caller's key (`reconciler keys issue`) or a token of a trusted issuer, as `Authorization: Bearer TOKEN`."

    def surface(self, path: str) -> str:
        return "mcp" if path == "/mcp" or path.startswith("/mcp/") else "http"

    def tenant(self, who: Caller) -> str:
        return who.tenant

    def _in_force(self) -> InForce:
        try:
            return self._source.current()
        except Stale:
            raise Unprovable from None


def by_key(in_force: InForce, text: str, now: datetime) -> Caller | None:
    """None for whatever is not an active key of a caller that is live, as it was applied, and takes keys."""
    parts = text.split("_", 2)
    key = in_force.status.keys.get(parts[1]) if len(parts) == 3 and parts[0] == "rk" else None
    if key is None or not hmac.compare_digest(digest(parts[2]), key.digest):
        return None
    caller = holder_of(in_force.snapshot.tenant(key.tenant), key, now)
    return None if caller is None else Caller(key.tenant, caller.known.address.name, key.id)


def by_claims(in_force: InForce, issuer: str, claims: Mapping[str, Any]) -> Caller | None:
    """Of a verified token: exactly one caller over all tenants has to ask for what it says."""
    found = []
    for tenant, name, jwt in in_force.snapshot.by_issuer.get(issuer, ()):
        if all(says(claims, claim, value) for claim, value in jwt["claims"].items()):
            proved = MappingProxyType(dict(claims))
            found.append(Caller(tenant, name, "", roles_in(jwt, claims), proved, issuer=issuer))
    return found[0] if len(found) == 1 else None


def says(claims: Mapping[str, Any], claim: str, value: str) -> bool:
    """Whether a claim is a text, or a list that holds it."""
    said = claims.get(claim)
    return said == value or (isinstance(said, list) and value in said)


def roles_in(jwt: Mapping[str, Any], claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the roles that a token brings, by `roles_from`."""
    source = jwt.get("roles_from")
    said = claims.get(source["claim"]) if source else None
    listed = said if isinstance(said, list) else [said]
    return (
        frozenset(source["map"][one] for one in listed if isinstance(one, str) and one in source["map"])
        if source
        else frozenset()
    )


def utc_now() -> datetime:
    """To the second: keys are dated no finer."""
    return datetime.fromtimestamp(int(time.time()), UTC)

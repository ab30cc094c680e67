"""Operators proved by their tokens, and the parts that their API works with."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from typing import NamedTuple

from starlette.requests import Request

from reconciler.access.resource import Resource
from reconciler.load.serve_file import OperatorIssuer, Operators, OperatorToken
from reconciler.model.audit import Actor, AuditKey
from reconciler.model.health import Check
from reconciler.model.notification import Destination
from reconciler.runtime.health import Checker
from reconciler.runtime.identity import Unprovable, roles_in, says
from reconciler.runtime.mcp.servers import Servers
from reconciler.runtime.mediator import Mediator
from reconciler.runtime.setup import Databases
from reconciler.runtime.source import Source
from reconciler.runtime.tokens import NoKeys, Tokens


async def _nobody_to_ask(_tenant: str, _resource: Resource) -> Check | None:
    return None


class OperatorsApi(NamedTuple):
    """What the handlers work with; ``metrics`` returns the text of /metrics, ``check`` the result of one check."""

    source: Source
    mediator: Mediator
    databases: Databases
    audit_key: AuditKey
    metrics: Callable[[], str]
    servers: Servers
    destinations: tuple[Destination, ...] = ()
    check: Checker = _nobody_to_ask


class Operator(NamedTuple):
    """The holder of one token of serve.yaml, or of a token of one of its issuers; one that names no tenants is for all of them.

    ``issuer`` and ``subject`` are `iss` and `sub` of an issuer's token, "" for a token of serve.yaml.
    """

    name: str
    token: OperatorToken | OperatorIssuer
    roles: frozenset[str] = frozenset()
    issuer: str = ""
    subject: str = ""

    def may(self, scope: str, tenant: str | None) -> bool:
        """Whether the token has a scope for a tenant; None asks for all tenants."""
        for_tenant = not self.token.tenants or (tenant is not None and tenant in self.token.tenants)
        return scope in self.token.scopes and for_tenant


def actor_of(api: OperatorsApi, request: Request) -> Actor:
    """Return the operator of a request as the audit trail names it."""
    who: Operator = request.scope["who"]
    return Actor(f"operator:{who.name}", api.audit_key)


class OperatorEntrance:
    """Proves operators by the tokens of serve.yaml and of its operators' issuers; nobody can freeze one."""

    def __init__(self, settings: Operators) -> None:
        self._tokens, self._issuers = settings.tokens, settings.issuers
        self._claims = Tokens(settings.issuers)

    async def prove(self, authorization: str) -> Operator | None:
        """Return the operator of a credential. Raises Unprovable where the keys of an issuer can't be had."""
        scheme, _, token = authorization.partition(" ")
        given = sha256(token.strip().encode()).hexdigest()
        found = None
        for name, one in self._tokens.items():
            if compare_digest(given, one.sha256) and scheme.lower() == "bearer":
                found = Operator(name, one, frozenset(one.roles))
        if found is None and self._issuers and scheme.lower() == "bearer":
            return await self._by_claims(token.strip())
        return found

    async def _by_claims(self, token: str) -> Operator | None:
        try:
            proved = await self._claims.claims(token)
        except NoKeys:
            raise Unprovable from None
        if proved is None or not isinstance(subject := proved[1].get("sub"), str) or not subject:
            return None
        name, claims = proved
        settings = self._issuers[name]
        if not all(says(claims, claim, value) for claim, value in settings.claims.items()):
            return None
        source = settings.roles_from.model_dump() if settings.roles_from is not None else None
        roles = roles_in({"roles_from": source}, claims)
        return Operator(f"{name}:{subject}", settings, roles, str(claims["iss"]), subject)

    def is_frozen(self, who: Operator) -> bool:
        return False

    def challenge(self, path: str, host: str, has_credential: bool) -> str:
        return "Bearer"

    def wants(self, path: str) -> str:
        scope = " with the scope `metrics`" if path == "/metrics" else ""
        return f"This listener takes operators' tokens, as `Authorization: Bearer TOKEN`: one of serve.yaml's `operators`{scope}."

    def surface(self, path: str) -> str:
        return "operators"

    def tenant(self, who: Operator) -> str:
        return ""

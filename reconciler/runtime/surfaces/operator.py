"""Operators proved by their tokens, and the parts that their API works with."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from typing import NamedTuple

from starlette.requests import Request

from reconciler.load.serve_file import Operators, OperatorToken
from reconciler.model.audit import Actor, AuditKey
from reconciler.runtime.mediator import Mediator
from reconciler.runtime.setup import Databases
from reconciler.runtime.source import Source


class OperatorsApi(NamedTuple):
    """What the handlers work with; ``metrics`` returns the text of /metrics."""

    source: Source
    mediator: Mediator
    databases: Databases
    audit_key: AuditKey
    metrics: Callable[[], str]


class Operator(NamedTuple):
    """The holder of one token of serve.yaml; a token that names no tenants is for all of them."""

    name: str
    token: OperatorToken

    def may(self, scope: str, tenant: str | None) -> bool:
        """Whether the token has a scope for a tenant; None asks for all tenants."""
        for_tenant = not self.token.tenants or (tenant is not None and tenant in self.token.tenants)
        return scope in self.token.scopes and for_tenant


def actor_of(api: OperatorsApi, request: Request) -> Actor:
    """Return the operator of a request as the audit trail names it."""
    who: Operator = request.scope["who"]
    return Actor(f"operator:{who.name}", api.audit_key)


class OperatorEntrance:
    """Proves operators by the tokens of serve.yaml; nobody can freeze one."""

    def __init__(self, settings: Operators) -> None:
        self._tokens = settings.tokens

    async def prove(self, authorization: str) -> Operator | None:
        scheme, _, token = authorization.partition(" ")
        given = sha256(token.strip().encode()).hexdigest()
        found = None
        for name, one in self._tokens.items():
            if compare_digest(given, one.sha256) and scheme.lower() == "bearer":
                found = Operator(name, one)
        return found

    def is_frozen(self, who: Operator) -> bool:
        return False

    def challenge(self, path: str, host: str, has_credential: bool) -> str:
        return "Bearer"

    def surface(self, path: str) -> str:
        return "operators"

    def tenant(self, who: Operator) -> str:
        return ""

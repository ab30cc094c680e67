"""The kind `connector`: how to reach a system, one file per type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from reconciler.kinds.connector.mcp_target import ACTION as INVOKE
from reconciler.kinds.connector.mcp_target import CALLS, is_pinned
from reconciler.kinds.connector.served import unserved
from reconciler.model.body import Body
from reconciler.model.kind import Ability, Kind
from reconciler.model.later import Later
from reconciler.model.selector import ACTION, ALLOWED_CLASS, DENIED_CLASS, EVERY, UNPINNED, UNSERVED, Offer

if TYPE_CHECKING:
    from reconciler.model.spec import Spec

TYPES: Mapping[str, type[Spec]] = Later(
    "reconciler.kinds.connector",
    {
        "http": "http:Http",
        "sql": "sql:Sql",
        "mcp": "mcp:Mcp",
        "vector": "vector:Vector",
        "file": "file:File",
        "serverless": "serverless:Serverless",
        "notification": "notification:Notification",
        "stream": "stream:Stream",
        "custom": "custom:Custom",
    },
)


def _offers(body: Body) -> Iterator[Offer]:
    """Words for the loader, which decides by them what to look at in a tenant's connectors; and what tools do."""
    if body.get("runtime") is not False and unserved(body) is not None:
        yield Offer(UNSERVED, body["type"])
    for name, tool in body["tools"].items() if body.get("type") == "mcp" else ():
        yield Offer(ACTION, INVOKE)
        if not is_pinned(tool):
            yield Offer(UNPINNED, name)
        found = tool.get("classification") or body.get("classification")
        yield from (Offer(ALLOWED_CLASS, found), Offer(DENIED_CLASS, found)) if found else (Offer(DENIED_CLASS, EVERY),)


KIND = Kind(
    name="connector",
    plural="connectors",
    summary="How to reach a system: where it is, with which credential, and within which bounds.",
    variants=TYPES,
    discriminator="type",
    identity=("type",),
    abilities=frozenset({Ability.FREEZABLE, Ability.SUSPENDABLE, Ability.LIMITABLE, Ability.NAMEABLE, Ability.LISTED}),
    offers=_offers,
    unserved=unserved,
    calls=CALLS,
    examples={
        "http": "base_url: https://api.example.com/v1\nauth:\n  type: bearer\n  token: vault://kv/acme/api#token",
        "sql": "dialect: postgresql\ndsn: vault://kv/acme/warehouse#dsn",
        "mcp": "transport: streamable_http\nurl: https://tickets.example.com/mcp\ntools:\n  search: {risk: low}\n"
        "  close: {risk: high, requires_approval: true}",
        "vector": "engine: pgvector\ndsn: vault://kv/acme/vectors#dsn",
        "file": "provider: s3\nbucket: acme-reports\nregion: eu-central-1\naccess_key_id: vault://kv/acme/s3#id\n"
        "secret_access_key: vault://kv/acme/s3#secret",
        "serverless": "provider: aws_lambda\nregion: eu-central-1\nfunctions: [send-invoice]",
        "notification": 'provider: slack\ntoken: vault://kv/acme/slack#token\nrecipients:\n  sales-alerts: ["#sales-alerts"]',
        "stream": "provider: kafka\nbrokers: [broker.internal:9092]\ntopics: [orders]",
        "custom": "config:\n  endpoint: ldap.internal",
    },
)

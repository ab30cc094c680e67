"""The kind `connector`: how to reach a system, one file per type."""

from __future__ import annotations

from reconciler.kinds.connector import custom, file, http, mcp, serverless, sql, stream, vector
from reconciler.kinds.risks import CAPS, CONNECTION, READ_ONLY, grown, named
from reconciler.model.kind import Ability, Kind
from reconciler.model.risk import RiskRule
from reconciler.model.spec import Spec

TYPES: dict[str, type[Spec]] = {
    "http": http.Http,
    "sql": sql.Sql,
    "mcp": mcp.Mcp,
    "vector": vector.Vector,
    "file": file.File,
    "serverless": serverless.Serverless,
    "stream": stream.Stream,
    "custom": custom.Custom,
}

# whatever may explain a failed connection: where it goes, and with which credential
_HEALTH = (
    "type base_url auth headers network_exceptions dialect dsn host port database username password ssl options transport "
    "url command args env engine api_key index provider bucket container account root region endpoint_url project "
    "credential access_key_id secret_access_key role_arn brokers security config"
)

KIND = Kind(
    name="connector",
    plural="connectors",
    summary="How to reach a system: where it is, with which credential, and within which bounds.",
    variants=TYPES,
    discriminator="type",
    identity=("type",),
    health_fields=tuple(_HEALTH.split()),
    risks=(
        *CONNECTION,
        READ_ONLY,
        *CAPS,
        *(
            RiskRule((field,), grown(empty_is_all=False))
            for field in ("allowed_methods", "functions", "topics", "tools")
        ),
        RiskRule(("capabilities",), grown(empty_is_all=True)),
        *(RiskRule((field,), named("command-changed")) for field in ("command", "args", "transport")),
        *(
            RiskRule((field,), named("access-widened"))
            for field in ("bucket", "container", "account", "root", "database")
        ),
        RiskRule(("tools", "*"), mcp.tool_risks),
    ),
    abilities=frozenset({Ability.FREEZABLE, Ability.SUSPENDABLE, Ability.LIMITABLE, Ability.NAMEABLE, Ability.LISTED}),
    examples={
        "http": "base_url: https://api.example.com/v1\nauth:\n  type: bearer\n  token: vault://kv/acme/api#token",
        "sql": "dialect: postgresql\ndsn: vault://kv/acme/warehouse#dsn",
        "mcp": "transport: streamable_http\nurl: https://tickets.example.com/mcp\ntools:\n  search: {risk: low}\n"
        "  close: {risk: high, requires_approval: true}",
        "vector": "engine: pgvector\ndsn: vault://kv/acme/vectors#dsn",
        "file": "provider: s3\nbucket: acme-reports\nregion: eu-central-1",
        "serverless": "provider: aws_lambda\nregion: eu-central-1\nfunctions: [send-invoice]",
        "stream": "provider: kafka\nbrokers: [broker.internal:9092]\ntopics: [orders]",
        "custom": "config:\n  endpoint: ldap.internal",
    },
)

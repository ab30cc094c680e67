"""The kind `connector`: how to reach a system, one file per type."""

from __future__ import annotations

from reconciler.kinds.connector import custom, file, http, mcp, serverless, sql, stream, vector
from reconciler.model.kind import Kind
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
)

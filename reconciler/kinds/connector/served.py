"""The one table of what the runtime can do with connectors: validate, lists of tools, calls and explanations go by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.model.body import Body, get


class Served(NamedTuple):
    """Connectors of a type differ by the value at ``path``: ``by`` has the values that a module of ``runtime/connectors`` serves."""

    path: tuple[str, ...]
    by: Mapping[str, str]
    words: str
    """What a value without a module is called in messages."""


SERVED: Mapping[str, Served] = {
    "sql": Served(
        ("dialect",),
        {
            "postgresql": "postgresql",
            "sqlite": "sqlite",
            "duckdb": "duckdb",
            "mysql": "mysql",
        },
        "databases of the dialect",
    ),
    "mcp": Served(
        ("transport",),
        dict.fromkeys(("streamable_http", "stdio"), "mcp"),
        "the transport",
    ),
    "vector": Served(
        ("engine",),
        {
            "pgvector": "vector_pgvector",
            "chroma": "vector_chroma",
            "qdrant": "vector_qdrant",
            "pinecone": "vector_pinecone",
        },
        "the engine",
    ),
    "notification": Served(
        ("provider",),
        {
            "slack": "message_slack",
            "smtp": "message_smtp",
            "webhook": "message_webhook",
        },
        "messages by the provider",
    ),
    "file": Served(
        ("provider",),
        {
            "local": "file_local",
            "s3": "file_s3",
            "gcs": "file_gcs",
            "azure": "file_azure",
        },
        "files of the provider",
    ),
    "serverless": Served(
        ("provider",),
        {
            "aws_lambda": "function_aws",
            "gcp_functions": "function_gcp",
        },
        "functions of the provider",
    ),
}
"""By the type of connectors. Adding a database is a module and an entry here."""

UNSERVED_TYPES = frozenset({"stream", "custom"})
"""Types of connectors without a line in ``runtime/connectors/table.py``."""


def unserved(body: Body) -> str | None:
    """Return what a connector asks for and the runtime can't do, in words; None where it can do all."""
    kind: str = body["type"]
    if kind in UNSERVED_TYPES:
        return f"connectors of the type {kind}"
    served = SERVED.get(kind)
    if served is None:
        return None
    value: Any = get(body, served.path)
    return None if value in served.by else f"{served.words} {value}"

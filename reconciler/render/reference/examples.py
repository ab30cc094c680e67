"""The shortest useful body of each variant; together they are one manifest, in which they refer to each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.kinds.table import KINDS
from reconciler.model.kind import Kind

EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "integration": {
        "openai": "credential: vault://kv/acme/openai#api_key\nmodels: [gpt-5, gpt-5-mini]\ndefault_model: gpt-5-mini",
        "anthropic": "credential: env://ANTHROPIC_API_KEY",
        "azure_openai": "base_url: https://acme.openai.azure.com\ncredential: vault://kv/acme/azure#api_key\n"
        "config:\n  api_version: 2024-10-21",
        "bedrock": "config:\n  region: eu-central-1",
        "gemini": "credential: env://GEMINI_API_KEY",
        "mistral": "credential: env://MISTRAL_API_KEY",
        "cohere": "credential: env://COHERE_API_KEY",
        "ollama": "base_url: http://ollama.internal:11434",
        "custom": "base_url: https://models.internal/v1\ncredential: vault://kv/acme/models#token",
    },
    "connector": {
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
    "datasource": {
        "database": "connector: sql\ntables: [public.orders]",
        "document": "connector: custom\ncollections: [contracts]",
        "file": "connector: file\nprefix: reports/",
        "vector": "connector: vector\ncollection: articles",
        "api": "connector: http\npaths: [/orders/*]",
        "stream": "connector: stream\ntopics: [orders]",
        "custom": "connector: custom",
    },
    "template": {
        "sql": "datasource: database\nsql: SELECT id, total FROM public.orders WHERE region = :region\n"
        "parameters:\n  region: {type: string, max_length: 20}",
        "http": "datasource: api\nmethod: GET\npath: /orders/{id}\nparameters:\n  id: {type: integer, min: 1}",
    },
    "limit": {"": "target: integration/openai\nper: month\ncost_usd: 2500.00"},
    "caller": {"": "roles: [analyst]\nauth:\n  api_key: {max_age_days: 90}"},
    "policy": {
        "": "effect: allow\nsubjects: {roles: [analyst]}\nactions: [query, retrieve]\ntargets: {names: [template/*]}"
    },
    "plane": {"": "datasources: [database]\nactions:\n  query: template/sql"},
}


def example(kind: Kind, variant: str) -> Iterator[str]:
    """The lines of a manifest's part: the kind, the variant's name as that of the resource, and its body."""
    yield f"{kind.plural}:"
    yield f"  {(variant or 'example').replace('_', '-')}:"
    if kind.discriminator:
        yield f"    {kind.discriminator}: {variant}"
    yield from (f"    {line}" for line in EXAMPLES[kind.name][variant].splitlines())


def manifest() -> str:
    """All of them in one."""
    lines = ["version: 1", "tenant: acme"]
    for kind in KINDS.values():
        lines.append(f"{kind.plural}:")
        for variant in kind.variants:
            lines += [*example(kind, variant)][1:]
    return "\n".join(lines) + "\n"

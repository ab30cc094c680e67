"""What the tests of the kinds share: the smallest valid body of every variant, and short ways to parse and check."""

from __future__ import annotations

from typing import Any

from reconciler.errors import Path, Problem
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.resource import Resource, resource_of
from reconciler.model.spec import Spec

REF = "vault://kv/acme/thing#key"
CANARY = "CANARY-9f3b7c1e"

MINIMAL: dict[tuple[str, str], dict[str, Any]] = {
    ("integration", "openai"): {"provider": "openai", "credential": REF},
    ("integration", "anthropic"): {"provider": "anthropic", "credential": REF},
    ("integration", "azure_openai"): {
        "provider": "azure_openai",
        "credential": REF,
        "base_url": "https://acme.openai.azure.com",
    },
    ("integration", "bedrock"): {"provider": "bedrock", "config": {"region": "eu-central-1"}},
    ("integration", "gemini"): {"provider": "gemini", "credential": REF},
    ("integration", "mistral"): {"provider": "mistral", "credential": REF},
    ("integration", "cohere"): {"provider": "cohere", "credential": REF},
    ("integration", "ollama"): {"provider": "ollama", "base_url": "http://ollama.internal:11434"},
    ("integration", "custom"): {"provider": "custom", "base_url": "https://models.example.com/v1"},
    ("route", ""): {"models": ["fast"], "deployments": [{"integration": "openai", "model": "gpt-5-mini"}]},
    ("connector", "http"): {"type": "http", "base_url": "https://api.example.com"},
    ("connector", "sql"): {"type": "sql", "dialect": "postgresql", "dsn": REF},
    ("connector", "mcp"): {"type": "mcp", "transport": "streamable_http", "url": "https://mcp.example.com/mcp"},
    ("connector", "vector"): {"type": "vector", "engine": "qdrant", "url": "https://qdrant.example.com"},
    ("connector", "file"): {"type": "file", "provider": "s3", "bucket": "reports"},
    ("connector", "serverless"): {"type": "serverless", "provider": "aws_lambda", "region": "eu-central-1"},
    ("connector", "notification"): {
        "type": "notification",
        "provider": "slack",
        "token": REF,
        "recipients": {"sales": ["#sales"]},
    },
    ("connector", "stream"): {"type": "stream", "provider": "sqs", "region": "eu-central-1"},
    ("connector", "custom"): {"type": "custom"},
    ("datasource", "database"): {"type": "database", "connector": "warehouse"},
    ("datasource", "document"): {"type": "document", "connector": "docs"},
    ("datasource", "file"): {"type": "file", "connector": "bucket"},
    ("datasource", "vector"): {"type": "vector", "connector": "vectors", "collection": "articles"},
    ("datasource", "api"): {"type": "api", "connector": "crm"},
    ("datasource", "stream"): {"type": "stream", "connector": "bus"},
    ("datasource", "custom"): {"type": "custom", "connector": "thing"},
    ("template", "sql"): {"type": "sql", "datasource": "sales", "sql": "SELECT 1"},
    ("template", "http"): {"type": "http", "connector": "crm", "method": "GET", "path": "/v1/orders"},
    ("template", "vector"): {
        "type": "vector",
        "datasource": "articles",
        "operation": "search",
        "vector": "{vector}",
        "parameters": {"vector": {"type": "array", "items": "number"}},
    },
    ("template", "message"): {"type": "message", "connector": "alerts", "to": ["sales"], "text": "New orders"},
    ("template", "function"): {"type": "function", "connector": "images", "function": "resize"},
    ("template", "file"): {"type": "file", "datasource": "reports", "operation": "list"},
    ("limit", ""): {"target": "tenant", "per": "month", "requests": 1000},
    ("caller", ""): {"auth": {"api_key": {"max_age_days": 30}}},
    ("policy", ""): {"effect": "deny", "subjects": "any", "actions": "any", "targets": "any"},
    ("guardrail", ""): {
        "targets": {"names": ["route/*"]},
        "phases": ["input"],
        "check": {"type": "pattern", "builtin": ["iban"]},
        "action": "redact",
    },
    ("plane", ""): {"datasources": ["sales"], "actions": {"query": "template/top"}},
}


def address(kind: str, name: str = "it") -> Address:
    return Address("acme", kind, name)


def problems(kind: str, raw: Any) -> tuple[Problem, ...]:
    """The problems of a body; none if it is valid."""
    result = parse(KINDS[kind], raw, address(kind))
    return result if isinstance(result, tuple) else ()


def found(kind: str, raw: Any) -> set[tuple[str, Path]]:
    """The codes of the problems, with their paths."""
    return {(problem.code, problem.path) for problem in problems(kind, raw)}


def one(kind: str, raw: Any) -> Problem:
    """The only problem of a body."""
    result = problems(kind, raw)
    assert len(result) == 1, result
    return result[0]


def spec(kind: str, raw: Any) -> Spec:
    """The spec of a valid body."""
    result = parse(KINDS[kind], raw, address(kind))
    assert not isinstance(result, tuple), result
    return result


def body(kind: str, raw: Any) -> dict[str, Any]:
    """The normalised body of a valid one."""
    return spec(kind, raw).normalised()


def minimal(kind: str, variant: str, **fields: Any) -> dict[str, Any]:
    """The smallest valid body of a variant, with some fields besides."""
    return {**MINIMAL[kind, variant], **fields}


def checked(kind: str, name: str, **bodies: dict[str, Any]) -> list[Problem]:
    """What the kind's rules say about one resource; keys of the others read ``kind_name``."""
    state: dict[Address, Resource] = {}
    for key, raw in bodies.items():
        other_kind, _, other_name = key.partition("_")
        where = address(other_kind, other_name)
        state[where] = resource_of(where, spec(other_kind, raw))
    return list(KINDS[kind].check(state[address(kind, name)], state.get))

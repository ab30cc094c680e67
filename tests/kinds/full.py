"""Valid bodies that, taken together, have every field of every variant; and random values for the fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from random import Random
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reconciler.kinds.annotations import flat
from reconciler.kinds.connector.mcp_definition import digest_of
from reconciler.kinds.table import KINDS
from reconciler.model.body import Body
from reconciler.render.schema_facts import form_of

COMMON: Body = {"description": "d", "labels": {"team": "a"}, "protected": True, "on_delete": "retain"}
NETWORKS = [{"cidr": "10.0.0.0/8", "port": 443}]
OAUTH: Body = {
    "type": "oauth2",
    "token_url": "https://login.example.com/token",
    "client_id": "c",
    "client_secret": "env://S",
    "scopes": ["a", "b"],
}
AUTHS: tuple[Body, ...] = (
    {"type": "none"},
    {"type": "bearer", "token": "env://T"},
    {"type": "api_key", "key": "env://K", "header": "X-Key", "in": "query"},
    {"type": "basic", "username": "u", "password": "env://P"},
    OAUTH,
    {
        "type": "oauth2",
        "grant": "token_exchange",
        "issuer": "https://login.example.com/tenant",
        "client_id": "c",
        "client_auth": "private_key_jwt",
        "private_key": "env://PEM",
        "key_id": "k",
        "resource": "none",
        "audience": "api",
        "scopes": ["a"],
    },
    {**OAUTH, "client_auth": "client_secret_post"},
    {
        "type": "oauth2",
        "token_url": "https://login.example.com/token",
        "client_id": "c",
        "client_auth": "client_assertion",
        "client_assertion": "env://JWT",
    },
)
KEYS: Body = {"access_key_id": "env://ID", "secret_access_key": "env://KEY", "role_arn": "arn:a"}
INTEGRATION: Body = {
    "credential": "env://KEY",
    "base_url": "https://llm.example.com/v1",
    "models": ["m", "n"],
    "default_model": "m",
    "enabled": False,
    "timeout_seconds": 9,
    "max_retries": 1,
    "classification": "internal",
    "allow_fields": ["service_tier", "web_search"],
    "settle_cut": "received",
}
DATA: Body = {
    "connector": "c",
    "classification": "confidential",
    "access_roles": ["a", "b"],
    "tags": ["t"],
    "lifecycle": "inactive",
}
TEMPLATE: Body = {"tool_name": "get_it", "action": "search", "shared_with": ["a"], "timeout_seconds": 5}
PARAMETERS: Body = {
    "n": {"type": "integer", "min": 1, "max": 9, "enum": [2, 3], "default": 2, "description": "d"},
    "s": {"type": "string", "max_length": 9, "pattern": "[a-z]+", "nullable": True},
    "l": {"type": "array", "items": "string", "min_length": 1, "max_length": 3, "separator": ","},
    "c": {"type": "string", "from": "claims.region"},
}

SOME = {name: one for name, one in PARAMETERS.items() if name != "l"}

DEFINITION: Body = {
    "title": "A",
    "description": "Does it.",
    "input": {
        "type": "object",
        "properties": {"owner": {}, "who": {"type": "string"}, "path": {"type": "string"}, "most": {"type": "integer"}},
    },
    "output": {"type": "object"},
    "annotations": {"readOnlyHint": True},
}

FULL: Mapping[tuple[str, str], tuple[Body, ...]] = {
    ("integration", "openai"): ({"config": {"organization": "o", "project": "p"}},),
    ("integration", "anthropic"): ({"config": {"version": "2023-06-01", "beta": ["b"]}},),
    ("integration", "azure_openai"): ({"config": {"api_version": "v1", "deployments": {"m": "d"}}},),
    ("integration", "bedrock"): (
        {
            "config": {
                "region": "eu-west-1",
                "profile": "p",
                "role_arn": "r",
                "inference_profile": "i",
                "guardrail": "g",
            }
        },
    ),
    ("integration", "gemini"): ({"config": {"project": "p", "location": "l", "api_version": "v1"}},),
    ("integration", "mistral"): ({"config": {"safe_prompt": True}},),
    ("integration", "cohere"): ({"config": {"client_name": "c"}},),
    ("integration", "ollama"): ({"config": {"keep_alive": "10m", "num_ctx": 100}},),
    ("integration", "custom"): (
        {
            "config": {"a": {"b": [1]}, "api_key": "env://A"},
            "formats": ["anthropic", "openai"],
            "include_usage": True,
            "output_bound": "max_completion_tokens",
            "auth_header": "api-key",
        },
    ),
    ("connector", "http"): tuple(
        {
            "base_url": "https://llm.example.com/v1",
            "auth": auth,
            "headers": {"X-Tenant": "acme", "Authorization": "env://A", "X-Api-Key": {"plain": "public"}},
            "allowed_methods": ["GET", "POST"],
            "timeout_seconds": 5,
            "max_response_bytes": 100,
            "rate_limit": 5,
            "retries": 1,
            "network_exceptions": NETWORKS,
            "capabilities": ["read"],
        }
        for auth in AUTHS
    ),
    ("connector", "sql"): (
        {
            "dialect": "postgresql",
            "host": "db.internal",
            "port": 5432,
            "database": "d",
            "username": "u",
            "password": "env://P",
            "ssl": "verify-full",
            "pool_size": 3,
            "read_only": True,
            "max_rows": 10,
            "max_result_bytes": 100,
            "timeout_seconds": 5,
            "options": {"role": "READER"},
            "network_exceptions": NETWORKS,
            "capabilities": ["query"],
        },
        {"dialect": "snowflake", "dsn": "env://DSN", "options": {"role": "READER", "warehouse": "w"}},
    ),
    ("connector", "mcp"): (
        {
            "transport": "stdio",
            "command": "server",
            "args": ["-x"],
            "env": {"NODE_OPTIONS": {"plain": ""}, "TOKEN": "env://T"},
            "tools": {
                "a": {
                    "requires_approval": True,
                    "risk": "high",
                    "pin": digest_of("a", DEFINITION),
                    "definition": DEFINITION,
                    "description": "d",
                    "read_only": True,
                    "classification": "restricted",
                    "tool_name": "a_tool",
                    "arguments": {
                        "owner": {"const": "acme"},
                        "who": {"from": "claims.email"},
                        "path": {"pattern": "a", "max_length": 5, "enum": ["a"]},
                        "most": {"min": 1, "max": 5},
                    },
                },
                "b": {"pin": "sha256:" + "a" * 64},
            },
            "classification": "internal",
            "capabilities": ["read"],
            "timeout_seconds": 5,
            "max_response_bytes": 100,
            "rate_limit": 5,
        },
        *(
            {
                "transport": "sse",
                "url": "https://mcp.example.com",
                "auth": auth,
                "headers": {"X-Tenant": "acme", "Authorization": "env://A"},
                "network_exceptions": NETWORKS,
            }
            for auth in AUTHS
        ),
    ),
    ("connector", "vector"): (
        {
            "engine": "pinecone",
            "url": "https://llm.example.com",
            "api_key": "env://K",
            "index": "i",
            "dimensions": 3,
            "metric": "dot",
            "read_only": True,
            "max_results": 5,
            "max_response_bytes": 100,
            "timeout_seconds": 5,
            "rate_limit": 5,
            "network_exceptions": NETWORKS,
            "capabilities": ["search"],
        },
        {"engine": "pgvector", "dsn": "env://DSN", "ssl": "verify-full"},
        {"engine": "chroma", "url": "https://llm.example.com", "tenant": "t", "database": "d"},
        {"engine": "qdrant", "url": "https://llm.example.com"},
    ),
    ("connector", "file"): (
        {
            "provider": "s3",
            "bucket": "b",
            "region": "eu-west-1",
            "endpoint_url": "https://llm.example.com",
            **KEYS,
            "read_only": True,
            "max_bytes": 100,
            "timeout_seconds": 5,
            "network_exceptions": NETWORKS,
            "capabilities": ["read"],
        },
        {"provider": "gcs", "bucket": "b", "project": "p", "credential": "env://C"},
        {"provider": "s3", "bucket": "b"},
        {"provider": "s3", "bucket": "b", "endpoint_url": "https://llm.example.com/a"},
        {"provider": "azure", "container": "c", "account": "a", "credential": "env://C"},
        {"provider": "local", "root": "/srv"},
        {"provider": "local", "root": "/srv/a"},
        {"provider": "local", "root": "/data"},
    ),
    ("connector", "serverless"): (
        {
            "provider": "aws_lambda",
            "region": "eu-west-1",
            **KEYS,
            "functions": ["f"],
            "timeout_seconds": 5,
            "max_response_bytes": 100,
            "rate_limit": 5,
            "retries": 1,
            "capabilities": ["read"],
            "read_only": True,
            "network_exceptions": NETWORKS,
            "endpoint_url": "https://llm.example.com/a",
        },
        {"provider": "aws_lambda", "region": "eu-west-1", "endpoint_url": "https://other.example.com"},
        {"provider": "aws_lambda", "region": "eu-west-1", "read_only": False},
        {"provider": "gcp_functions", "region": "eu-west-1", "project": "p", "credential": "env://C"},
        {"provider": "aws_lambda", "region": "eu-west-1"},
    ),
    ("connector", "notification"): (
        {
            "provider": "slack",
            "token": "env://T",
            "base_url": "https://llm.example.com/api",
            "recipients": {"sales": ["#sales"], "ops": ["C0123456789"]},
            "timeout_seconds": 5,
            "rate_limit": 5,
            "network_exceptions": NETWORKS,
            "capabilities": ["write"],
        },
        {"provider": "slack", "webhook_url": "env://U", "recipients": {"sales": []}},
        {
            "provider": "smtp",
            "host": "mail.example.com",
            "port": 587,
            "tls": "starttls",
            "username": "u",
            "password": "env://P",
            "from": "bot@example.com",
            "recipients": {"sales": ["sales@example.com"]},
        },
        {
            "provider": "webhook",
            "url": "https://llm.example.com/a",
            "signing_secret": "env://S",
            "headers": {"X-Tenant": "acme", "Authorization": "env://A"},
            "recipients": {"sales": []},
        },
        {"provider": "webhook", "url": "https://llm.example.com/b", "recipients": {"sales": []}},
    ),
    ("connector", "stream"): (
        {
            "provider": "kafka",
            "brokers": ["k.example.com:9092"],
            "security": "tls",
            "username": "u",
            "password": "env://P",
            "group": "g",
            "topics": ["t"],
            "read_only": True,
            "max_messages": 5,
            "max_bytes": 100,
            "timeout_seconds": 5,
            "rate_limit": 5,
            "network_exceptions": NETWORKS,
            "capabilities": ["stream"],
        },
        {"provider": "sqs", "region": "eu-west-1", **KEYS},
        {"provider": "sqs", "region": "eu-west-1"},
        {"provider": "pubsub", "project": "p", "credential": "env://C", "group": "s"},
        {"provider": "nats", "brokers": ["n.example.com:4222"], "credential": "env://C"},
    ),
    ("connector", "custom"): (
        {
            "credential": "env://C",
            "config": {"host": "ldap.internal", "deep": {"list": [1, "a"]}, "api_key": "env://A"},
            "timeout_seconds": 5,
            "rate_limit": 5,
            "capabilities": ["read"],
        },
    ),
    ("datasource", "database"): ({"tables": ["a.b", "a.c"], "functions": ["public.f"]},),
    ("datasource", "document"): ({"collections": ["a", "b"]},),
    ("datasource", "file"): ({"prefix": "p/", "paths": ["*.csv"]},),
    ("datasource", "vector"): (
        {
            "collection": "c",
            "namespace": "n",
            "functions": ["public.f"],
            "filter": {"tenant": "a", "live": True},
            "vector_name": "v",
            "id_column": "key",
            "metadata_column": "meta",
            "columns": ["tenant"],
        },
    ),
    ("datasource", "api"): ({"paths": ["/v1/*"]},),
    ("datasource", "stream"): ({"topics": ["t"]},),
    ("datasource", "custom"): ({"extent": {"a": [1]}},),
    ("template", "sql"): (
        {
            "datasource": "d",
            "sql": "SELECT :n, :s, :l, :c",
            "parameters": PARAMETERS,
            "read_only": True,
            "max_rows": 5,
            "max_result_bytes": 100,
            **TEMPLATE,
        },
        {"datasource": "d", "sql": "SELECT 1", "read_only": True},
    ),
    ("template", "http"): (
        {
            "connector": "c",
            "method": "GET",
            "path": "/v1/{n}/{s}/{c}",
            "query": {"q": "literal", "l": "{l}"},
            "headers": {"X-A": "{s}"},
            "parameters": PARAMETERS,
            "max_response_bytes": 100,
            **TEMPLATE,
        },
        {"datasource": "d", "method": "POST", "path": "/v1", "body": {"type": "object"}, "body_encoding": "form"},
    ),
    ("template", "vector"): (
        {
            "datasource": "d",
            "operation": "search",
            "vector": "{l}",
            "filter": {"a": "{s}", "b": ["x", "y"], "c": True, "d": "{c}"},
            "top_k": "{n}",
            "return": ["a", "b.c"],
            "parameters": {**SOME, "l": {"type": "array", "items": "number", "max_length": 3}},
            "max_response_bytes": 100,
            **TEMPLATE,
        },
        {
            "datasource": "d",
            "operation": "upsert",
            "vector": "{l}",
            "id": "{c}",
            "payload": {"a": "{n}", "b": [1, 2]},
            "parameters": {
                "n": PARAMETERS["n"],
                "c": PARAMETERS["c"],
                "l": {"type": "array", "items": "number", "max_length": 3},
            },
        },
        {
            "datasource": "d",
            "operation": "search",
            "embed": {"integration": "i", "model": "m", "text": "about {c}", "dimensions": 3},
            "parameters": {"c": PARAMETERS["c"]},
        },
        {"datasource": "d", "operation": "delete", "ids": "{l}", "parameters": {"l": PARAMETERS["l"]}},
        {"datasource": "d", "operation": "delete", "ids": ["a", "b"]},
    ),
    ("template", "message"): (
        {
            "connector": "c",
            "to": ["ops", "sales"],
            "subject": "{s}",
            "text": "{n} {s} {l} {c}",
            "parameters": PARAMETERS,
            "dedupe": "{n}",
            "digest_minutes": 5,
            **{name: value for name, value in TEMPLATE.items() if name != "action"},
        },
    ),
    ("template", "function"): (
        {
            "connector": "c",
            "function": "f",
            "mode": "async",
            "max_response_bytes": 100,
            "timeout_seconds": 5,
            "parameters": PARAMETERS,
            **{name: value for name, value in TEMPLATE.items() if name != "action"},
        },
        {"connector": "c", "function": "f", "body": {"type": "object"}},
        {"connector": "c", "function": "g"},
    ),
    ("template", "file"): (
        {
            "datasource": "d",
            "operation": "read",
            "path": "{n}/{s}-{c}.csv",
            "too_large": "cut",
            "max_bytes": 100,
            "parameters": {name: one for name, one in PARAMETERS.items() if name in "nsc"},
            **TEMPLATE,
        },
        {
            "datasource": "d",
            "operation": "write",
            "path": "a.txt",
            "content": "{t}",
            "media_type": "text/plain",
            "if_exists": "fail",
            "parameters": {"t": {"type": "string", "max_length": 5}},
        },
        {"datasource": "d", "operation": "write", "path": "a.json", "body": {"type": "object"}, "if_exists": "replace"},
        {"datasource": "d", "operation": "list", "path": "a", "max_results": 5},
        {"datasource": "d", "operation": "delete", "path": "a"},
    ),
    ("limit", ""): (
        {"target": "tenant", "per": "day", "requests": 5, "tokens": 5, "cost_usd": "2.50", "on_exceed": "block"},
        {"target": "connector/c", "concurrent": 5},
        {"target": "caller/a", "per": "day", "tokens": 5, "reserve": "expected"},
        {"target": "tenant", "per": "day", "requests": 5, "tokens": 5, "cost_usd": "2.50", "on_exceed": "warn"},
    ),
    ("caller", ""): (
        {
            "roles": ["a", "b"],
            "auth": {
                "api_key": {"max_age_days": 5},
                "jwt": {
                    "issuer": "corp",
                    "claims": {"azp": "bot", "aud": "x"},
                    "roles_from": {"claim": "groups", "map": {"g": "a"}},
                },
            },
            "enabled": False,
        },
        {"auth": {"api_key": {}}},
        {"auth": {"jwt": {"issuer": "corp", "claims": {"azp": "bot"}}}},
    ),
    ("policy", ""): tuple(
        {
            "effect": effect,
            "subjects": {"callers": ["a*"], "roles": ["r", "s"], "labels": {"team": "a"}, "optional": True},
            "actions": ["query", "write"],
            "targets": {
                "names": ["template/a-*"],
                "labels": {"team": "a"},
                "classification": ["public"],
                "optional": True,
            },
            "optional": True,
            **more,
        }
        for effect, more in (
            (
                "allow",
                {
                    "until": "2030-12-31",
                    "approval": {
                        "roles": ["lead", "owner"],
                        "decide_within_minutes": 30,
                        "use_within_minutes": 5,
                        "four_eyes": True,
                    },
                },
            ),
            ("deny", {}),
        )
    ),
    ("route", ""): (
        {
            "models": ["fast", "gpt-4.1"],
            "strategy": "weighted",
            "deployments": [{"integration": "i", "model": "m", "weight": 2}, {"integration": "j", "model": "m"}],
            "retry": {"attempts": 3, "statuses": [429, 500]},
            "first_byte_seconds": 5,
            "timeout_seconds": 60,
            "cooldown": {"failures": 2, "seconds": 10},
            "affinity": "session",
            "max_output_tokens": 1000,
            "classification": "internal",
            "enabled": False,
            "shared_with": ["a"],
        },
        {"models": ["fast"], "deployments": [{"integration": "i", "model": "m"}]},
    ),
    ("guardrail", ""): tuple(
        {
            "targets": {"names": ["route/*", "template/crm-*"], "optional": True},
            "phases": ["input"],
            "check": check,
            "action": action,
            "priority": 10,
            "enabled": True,
        }
        for check, action in (
            ({"type": "pattern", "builtin": ["iban"], "patterns": {"ticket": "T-[0-9]{6}"}}, "redact"),
            ({"type": "size", "max_bytes": 100}, "block"),
            ({"type": "cost", "max_usd": "0.50"}, "warn"),
            ({"type": "models", "allow": ["gpt-*"]}, "block"),
        )
    ),
    ("plane", ""): (
        {"datasources": ["a", "b"], "actions": {"query": "template/t"}, "discovery": "search", "shared_with": ["a"]},
    ),
}


def bodies(kind: str, variant: str) -> tuple[Body, ...]:
    """The raw bodies of a variant, with what all of its kind have."""
    shared = INTEGRATION if kind == "integration" else DATA if kind == "datasource" else {}
    if kind in {"connector", "datasource", "template", "integration"}:
        shared = {**shared, "runtime": False}
    if kind in {"connector", "integration"}:
        shared = {**shared, "health": 5}
    tag = {KINDS[kind].discriminator: variant} if KINDS[kind].discriminator else {}
    return tuple({**COMMON, **shared, **tag, **body} for body in FULL[kind, variant])


class Values:
    """Random raw values for annotations, as YAML gives them. Some break rules about several fields."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def of_field(self, info: FieldInfo) -> Any:
        """A value of a field; None for leaving it out."""
        if not info.is_required() and self.random.random() < 0.2:
            return None
        return self._of(info.annotation, tuple(info.metadata))

    def of_part(self, model: type[BaseModel]) -> Body:
        made = {info.alias or name: self.of_field(info) for name, info in model.model_fields.items()}
        return {name: value for name, value in made.items() if value is not None}

    def _of(self, annotation: Any, metadata: tuple[Any, ...] = ()) -> Any:
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self._of(arguments[0], (*arguments[1:], *metadata))
        if origin in {Union, UnionType}:
            return self._of(self.random.choice(arguments), metadata)
        if annotation is NoneType:
            return None
        if origin is Literal:
            return self.random.choice(arguments)
        if annotation is Any:
            return self._free()
        if origin is dict and arguments[1] is Any:
            return {self._free_key(): self._free() for _ in range(self.random.randrange(3))} | self._free_secret()
        if origin is dict:
            return {self._of(arguments[0]): self._of(arguments[1]) for _ in range(self.random.randrange(1, 3))}
        if origin in {tuple, list}:
            items = [self._of(arguments[0]) for _ in range(self.random.randrange(3))]
            return [item for number, item in enumerate(items) if item not in items[:number]]
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self.of_part(annotation)
        return self._scalar(annotation, [*flat(metadata)])

    def _scalar(self, annotation: Any, metadata: list[Any]) -> Any:
        if annotation is bool:
            return self.random.random() < 0.5
        if annotation in {int, float, Decimal}:
            least = max([int(item.ge) for item in metadata if getattr(item, "ge", None) is not None], default=0)
            return least + self.random.randrange(12)
        assert annotation is str, annotation
        form = form_of(metadata)
        if form is not None and form.name == "url" and self.random.random() < 0.5:
            return f"https://llm.example.com/{self._word()}"
        if form is not None:
            return FORMS[form.name].format(self._word())
        patterns = [item.pattern for item in metadata if isinstance(getattr(item, "pattern", None), str)]
        texts = [text.format(self._word()) for text in TEXTS]
        return self.random.choice([text for text in texts if all(re.search(pattern, text) for pattern in patterns)])

    def _word(self) -> str:
        return "".join(self.random.choices("abcd", k=3))

    def _free(self, depth: int = 0) -> Any:
        if depth < 2 and self.random.random() < 0.3:
            inner = self._free(depth + 1)
            return [inner] if self.random.random() < 0.5 else {self._free_key(): inner}
        return self.random.choice([self._word(), self.random.randrange(9), True])

    def _free_key(self) -> str:
        return self.random.choice(["host", "role", "a", "sslmode"])

    def _free_secret(self) -> Body:
        return {"api_key": f"env://{self._word().upper()}"} if self.random.random() < 0.5 else {}


FORMS: Mapping[str, str] = {
    "name": "{}",
    "reference": "template/{}",
    "secret": "vault://kv/{}#key",
    "url": "https://{}.example.com/v1",
    "host": "{}.internal",
    "cidr": "10.1.0.0/16",
    "day": "2031-01-02",
    "command": "{}",
    "broker": "{}.internal:9092",
    "api_path": "/{}",
    "file_path": "{{n}}/{{s}}-{{c}}-{}.csv",
    "media_type": "text/{}",
    "placeholder": "{{{}}}",
    "file_content": "{{{}}}",
    "url_path": "/v1/{{n}}/{{s}}/{{c}}/{}",
    "tool_name": "get_{}",
    "target": "connector/{}",
    "caller_pattern": "{}*",
    "target_pattern": "template/{}*",
    "header_name": "X-{}",
    "mail_address": "{}@example.com",
    "parameter_name": "{}",
    "field_name": "{}",
}
"""A text of each form, with a place for a word."""
TEXTS = (
    "{}", "/{}", "eu-{}-1", "v1", "latest", "2024-10-21", "2023-06-01", "9m", "8m", "claims.{}", "caller.name",
    "sha256:" + "b" * 64, "sha256:" + "c" * 64,
)  # fmt: skip

"""Random bodies of all kinds and variants, made from drawn bytes: zeros make the simplest one, so examples shrink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
Body = dict[str, Any]

TENANT = "%TENANT%"
"""Stands for the tenant's name in a body; ``${tenant}`` in a file."""

REFS = (f"vault://kv/{TENANT}/thing#key", "encrypted://thing", "env://THING", f"aws-sm://{TENANT}/thing?version=a#key")
ROLES = ("analyst", "ops", "Büro", "数据", "z")
MODELS = ("gpt-5", "gpt-5-mini", "o9", "modèle")
CIDRS = ({"cidr": "10.20.0.0/16", "port": 443}, {"cidr": "10.30.0.0/16", "port": 5432}, {"cidr": "fd00::/8", "port": 1})
FREE: tuple[Body, ...] = (
    {"depth": {"list": [1, 2.5, None, True, "x"], "empty": {}}},
    {"on": True, "1:30": "01", "naïve": "ключ", "n": -0.0},
    {"big": 2**53 - 1, "small": 1e-9, "none": None, "list": []},
    {"api_key": REFS[0], "max_tokens": 5},
)


class Number(str):
    """A number as somebody writes it in a file, e.g. ``2500.00``."""

    __slots__ = ()


class Dice(bytes):
    """Drawn bytes that print short."""

    def __repr__(self) -> str:
        return f"Dice.fromhex({self.rstrip(bytes(1)).hex()!r})"


class Pick:
    """Choices out of bytes; where these end, every choice is the first one."""

    def __init__(self, data: bytes, texts: Sequence[str]) -> None:
        self._data = iter(data)
        self._texts = texts or ("",)

    def number(self, count: int) -> int:
        """From 0 to ``count - 1``."""
        return next(self._data, 0) % count

    def of(self, items: Sequence[T]) -> T:
        return items[self.number(len(items))]

    def some(self, items: Sequence[T]) -> list[T]:
        """Some of the items, each once, in any order."""
        mask, turn = self.number(2 ** len(items)), self.number(len(items))
        chosen = [item for index, item in enumerate(items) if mask >> index & 1]
        return chosen[turn:] + chosen[:turn]

    def text(self) -> str:
        return self.of(self._texts)

    def maybe(self, body: Body, field: str, *values: Any) -> None:
        """Leaves the field out, or gives it one of the values; its default should be among them."""
        chosen = self.number(len(values) + 1)
        if chosen:
            value = values[chosen - 1]
            body[field] = value() if callable(value) else value

    def labels(self) -> dict[str, str]:
        return {key: self.text()[:200] for key in self.some(("team", "app.kubernetes.io/name", "Z9"))}


def common(pick: Pick, body: Body) -> Body:
    pick.maybe(body, "description", "", pick.text, pick.text, pick.text)
    pick.maybe(body, "labels", {}, pick.labels, pick.labels)
    return body


def integration(pick: Pick) -> Body:
    provider = pick.of(
        ("openai", "anthropic", "azure_openai", "bedrock", "gemini", "mistral", "cohere", "ollama", "custom")
    )
    body: Body = {"provider": provider}
    if provider not in {"bedrock", "ollama", "custom"}:
        body["credential"] = pick.of(REFS)
    if provider in {"azure_openai", "ollama", "custom"}:
        body["base_url"] = pick.of(("https://models.example.com/v1", "http://ollama.internal:11434"))
    options: dict[str, tuple[Any, ...]] = {
        "openai": ({}, {"organization": "org-1"}),
        "anthropic": ({}, {"version": "2023-06-01"}, {"beta": ["b", "a"], "version": "2024-01-01"}),
        "azure_openai": ({}, {"deployments": {"gpt-5": "mine", "ключ": "ü"}, "api_version": "v1"}),
        "gemini": ({}, {"project": "p", "location": "europe-west4"}),
        "mistral": ({}, {"safe_prompt": False}, {"safe_prompt": True}),
        "cohere": ({}, {"client_name": "shop"}),
        "ollama": ({}, {"keep_alive": "10m", "num_ctx": 4096}),
        "custom": ({}, *FREE),
    }
    if provider == "bedrock":
        body["config"] = pick.of(({"region": "eu-central-1"}, {"region": "us-east-1", "guardrail": "g:1"}))
    else:
        pick.maybe(body, "config", *options[provider])
    models = pick.some(MODELS)
    if models:
        body["models"] = models
        pick.maybe(body, "default_model", *models)
    pick.maybe(body, "enabled", True, False)
    pick.maybe(body, "timeout_seconds", 60, 1, 3600)
    pick.maybe(body, "max_retries", 2, 0)
    return common(pick, body)


def _network(pick: Pick, body: Body) -> None:
    pick.maybe(body, "network_exceptions", [], lambda: pick.some(CIDRS), lambda: pick.some(CIDRS))


def _auth(pick: Pick) -> Body:
    auth: Body = pick.of(
        (
            {"type": "none"},
            {"type": "bearer", "token": REFS[0]},
            {"type": "api_key", "key": REFS[1]},
            {"type": "api_key", "key": REFS[1], "in": "query", "header": "k"},
            {"type": "basic", "username": "u", "password": REFS[2]},
            {"type": "oauth2", "token_url": "https://login.example.com/t", "client_id": "c", "client_secret": REFS[0]},
        )
    )
    if auth["type"] == "oauth2":
        return {**auth, "scopes": pick.some(("read", "write", "ü"))}
    return dict(auth)


def _headers(pick: Pick) -> Body:
    return {key: pick.of(("v", "", "é", REFS[0], {"plain": "p"})) for key in pick.some(("X-A", "X-b", "Accept"))}


def _http(pick: Pick, body: Body) -> None:
    body["base_url"] = pick.of(("https://api.example.com/v1", "http://10.20.0.1:8080"))
    pick.maybe(body, "auth", lambda: _auth(pick), lambda: _auth(pick))
    pick.maybe(body, "headers", {}, lambda: _headers(pick))
    pick.maybe(body, "allowed_methods", ["GET", "HEAD"], ["POST", "GET", "HEAD"], ["HEAD", "GET", "DELETE"])
    pick.maybe(body, "retries", 2, 0)
    _network(pick, body)


def _sql(pick: Pick, body: Body) -> None:
    body["dialect"] = pick.of(("postgresql", "mysql", "sqlite", "snowflake", "duckdb"))
    if pick.number(2) == 0:
        body["dsn"] = pick.of(REFS)
    elif body["dialect"] in {"sqlite", "duckdb"}:
        body["database"] = "/data/shop.db"
    else:
        body |= {"host": "db.internal", "database": "shop"}
        pick.maybe(body, "port", 5432, 1)
        pick.maybe(body, "username", "reader")
        pick.maybe(body, "password", REFS[0])
    pick.maybe(body, "ssl", "require", "verify-full")
    pick.maybe(body, "pool_size", 5, 100)
    pick.maybe(body, "max_rows", 1000, 1)
    pick.maybe(body, "options", *FREE)
    _network(pick, body)


def _mcp(pick: Pick, body: Body) -> None:
    body["transport"] = pick.of(("streamable_http", "sse", "stdio"))
    if body["transport"] == "stdio":
        body["command"] = "server"
        pick.maybe(body, "args", [], ["--verbose", "b", "a"])
        pick.maybe(body, "env", {}, {"TOKEN": REFS[0], "LANG": {"plain": "de"}})
    else:
        body["url"] = "https://mcp.example.com/mcp"
        pick.maybe(body, "auth", lambda: _auth(pick))
        pick.maybe(body, "headers", {}, lambda: _headers(pick))
    tools: tuple[Body, ...] = (
        {},
        {"risk": "medium"},
        {"risk": "high", "requires_approval": True},
        {"pin": "sha256:" + "0" * 64},
    )
    pick.maybe(body, "tools", {}, lambda: {name: dict(pick.of(tools)) for name in pick.some(("search", "a/b", "Z.z"))})
    pick.maybe(body, "rate_limit", 30, 1)


def _vector(pick: Pick, body: Body) -> None:
    body["engine"] = pick.of(("qdrant", "weaviate", "pgvector", "pinecone"))
    if body["engine"] == "pgvector":
        body["dsn"] = pick.of(REFS)
    elif body["engine"] == "pinecone":
        body |= {"api_key": pick.of(REFS), "index": "i"}
    else:
        body["url"] = "https://vectors.example.com"
    pick.maybe(body, "metric", "cosine", "dot")
    pick.maybe(body, "dimensions", 1536)


def _file(pick: Pick, body: Body) -> None:
    body["provider"] = pick.of(("s3", "gcs", "azure", "local"))
    places: dict[str, Body] = {
        "s3": {"bucket": "b"},
        "gcs": {"bucket": "b"},
        "azure": {"container": "c", "account": "a"},
        "local": {"root": "/data"},
    }
    body |= places[body["provider"]]
    pick.maybe(body, "read_only", True, False)
    pick.maybe(body, "max_bytes", 5242880, 1)
    _network(pick, body)


def _serverless(pick: Pick, body: Body) -> None:
    body |= {"provider": pick.of(("aws_lambda", "gcp_functions")), "region": "eu-central-1"}
    if body["provider"] == "gcp_functions":
        body["project"] = "p"
    pick.maybe(body, "functions", [], lambda: pick.some(("g", "f", "ü")))
    pick.maybe(body, "retries", 0, 3)


def _notification(pick: Pick, body: Body) -> None:
    body["provider"] = pick.of(("slack", "smtp", "webhook"))
    places: dict[str, Body] = {
        "slack": {"token": pick.of(REFS), "recipients": {"sales": ["#sales"]}},
        "smtp": {"host": "mail.example.com", "from": "a@example.com", "recipients": {"sales": ["b@example.com"]}},
        "webhook": {"url": "https://hooks.example.com", "recipients": {"sales": []}},
    }
    body |= places[body["provider"]]
    _network(pick, body)


def _stream(pick: Pick, body: Body) -> None:
    body["provider"] = pick.of(("sqs", "kafka", "nats", "kinesis", "pubsub"))
    if body["provider"] in {"kafka", "nats"}:
        body["brokers"] = pick.of((["k1:9092"], ["k2:9092", "k1:9092"]))
    else:
        body["project" if body["provider"] == "pubsub" else "region"] = "eu-central-1"
    pick.maybe(body, "topics", [], lambda: pick.some(("orders", "a", "b")))


def _custom(pick: Pick, body: Body) -> None:
    pick.maybe(body, "credential", pick.of(REFS))
    pick.maybe(body, "config", {}, *FREE)


_CONNECTORS: dict[str, Callable[[Pick, Body], None]] = {
    "sql": _sql,
    "http": _http,
    "mcp": _mcp,
    "vector": _vector,
    "file": _file,
    "serverless": _serverless,
    "notification": _notification,
    "stream": _stream,
    "custom": _custom,
}


def connector(pick: Pick) -> Body:
    body: Body = {"type": pick.of(("sql", "http", *_CONNECTORS, "sql"))}
    _CONNECTORS[body["type"]](pick, body)
    pick.maybe(body, "capabilities", [], lambda: pick.some(("write", "read", "query", "batch")))
    if body["type"] != "mcp":
        pick.maybe(body, "timeout_seconds", 60 if body["type"] == "serverless" else 30, 3600)
    return common(pick, body)


FITS = {
    "sql": ("database", "database", "vector", "custom"),
    "http": ("api", "document", "custom"),
    "mcp": ("document", "custom"),
    "vector": ("vector", "custom"),
    "file": ("file", "custom"),
    "serverless": ("custom",),
    "notification": ("custom",),
    "stream": ("stream", "custom"),
    "custom": ("custom", "document"),
}


def datasource(pick: Pick, connectors: dict[str, Body]) -> Body:
    """On one of the connectors."""
    name = pick.of(tuple(connectors))
    body: Body = {"type": pick.of(FITS[connectors[name]["type"]]), "connector": name}
    extents: dict[str, tuple[str, tuple[Any, ...]]] = {
        "database": ("tables", ([], ["public.orders"], ["public.orders", "public.*", "customers"])),
        "document": ("collections", ([], ["b", "ä", "a"])),
        "file": ("paths", ([], ["*.csv", "*.ü"])),
        "api": ("paths", ([], ["/v1/*", "/v1/orders/*"])),
        "stream": ("topics", ([], ["b", "a"])),
        "custom": ("extent", ({}, *FREE)),
    }
    if body["type"] == "vector":
        body["collection"] = "articles"
    else:
        field, values = extents[body["type"]]
        pick.maybe(body, field, *values)
    pick.maybe(body, "classification", "public", "restricted")
    pick.maybe(body, "access_roles", [], lambda: pick.some(ROLES))
    pick.maybe(body, "tags", [], lambda: pick.some(ROLES))
    pick.maybe(body, "lifecycle", "active", "deprecated")
    return common(pick, body)

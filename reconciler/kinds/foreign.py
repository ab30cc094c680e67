"""What newcomers write, in the words of other tools, and the one line to write here: a table, from which hints are made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.patterns import regex

DOCUMENTS: Mapping[str, tuple[str, str]] = {
    "apiVersion": (
        "a Kubernetes manifest",
        "begin with `version: 1` and `tenant: NAME`; `reconciler explain` lists the kinds",
    ),
    "_format_version": (
        "a file of Kong decK",
        "begin with `version: 1` and `tenant: NAME`; `reconciler explain` lists the kinds",
    ),
    "model_list": ("a configuration of LiteLLM", "run `reconciler convert litellm FILE --out DIR`"),
    "mcpServers": ("a client's list of MCP servers", "run `reconciler convert mcp FILE --out DIR`"),
    "openapi": ("an OpenAPI document", "run `reconciler convert openapi FILE --out DIR`"),
    "swagger": ("an OpenAPI document", "run `reconciler convert openapi FILE --out DIR`"),
    "toolsets": ("a file of MCP Toolbox", "run `reconciler convert toolbox FILE --out DIR`"),
}
"""By a key that only files of another tool have: what such a file is, and what to do."""

VALUES: Mapping[tuple[str, str], str] = {
    ("type", "postgres"): "write `type: sql` and `dialect: postgresql`",
    ("type", "postgresql"): "write `type: sql` and `dialect: postgresql`",
    ("type", "mysql"): "write `type: sql` and `dialect: mysql`",
    ("type", "sqlite"): "write `type: sql` and `dialect: sqlite`",
    ("type", "snowflake"): "write `type: sql` and `dialect: snowflake`",
    ("type", "bigquery"): "write `type: sql` and `dialect: bigquery`",
    ("type", "database"): "write `type: sql`, and the `dialect`",
    ("type", "rest"): "write `type: http`",
    ("type", "api"): "write `type: http`",
    ("type", "openapi"): "write `type: http`",
    ("type", "s3"): "write `type: file` and `provider: s3`",
    ("type", "gcs"): "write `type: file` and `provider: gcs`",
    ("type", "kafka"): "write `type: stream` and `provider: kafka`",
    ("type", "pgvector"): "write `type: vector` and `engine: pgvector`",
    ("type", "qdrant"): "write `type: vector` and `engine: qdrant`",
    ("type", "pinecone"): "write `type: vector` and `engine: pinecone`",
    ("type", "lambda"): "write `type: serverless` and `provider: aws_lambda`",
    ("transport", "http"): "write `transport: streamable_http`",
    ("transport", "https"): "write `transport: streamable_http`",
    ("transport", "streamable-http"): "write `transport: streamable_http`",
    ("transport", "websocket"): "write `transport: streamable_http`",
}
"""By a field and what stands in it. A hint names the lines to write."""

_TEMPLATES = regex(r"\{\{-?\s*(?:\.?Values\.|\.|var\.|\$)?([A-Za-z_][A-Za-z0-9_-]*)[^{}]*\}\}")
_ENVIRONMENT = regex(r"[A-Z][A-Z0-9_]*\Z")


def foreign_document(keys: Iterable[str]) -> tuple[str, str, str] | None:
    """Return the key that tells a file of another tool, what it is, and the hint; None for a file of ours."""
    return next(((key, *DOCUMENTS[key]) for key in keys if key in DOCUMENTS), None)


def meant_by(field: str, value: Any) -> str | None:
    """Return what to write in place of a value that other tools have there."""
    return VALUES.get((field, value.lower())) if isinstance(value, str) else None


def variable_hint(name: str) -> str | None:
    """Return what to write in place of ``${name}``, which is no variable of ours."""
    if _ENVIRONMENT.match(name):
        return f"write env://{name} where a secret stands; other values come from `variables` in reconciler.yaml, as ${{var.{name.lower()}}}"
    if name.startswith("env."):
        return f"write env://{name.removeprefix('env.')} where a secret stands"
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name):
        return f"write ${{var.{name}}}, and the value under `variables` in reconciler.yaml"
    return None


def template_hint(line: str) -> str | None:
    """Return what to write in place of `{{ name }}`, which YAML reads as a map in a map."""
    found = _TEMPLATES.search(line)
    return f'templates of other tools are not read; write "${{var.{found[1]}}}"' if found else None


def is_hcl(text: str) -> bool:
    """Whether a text is written in Terraform's language; YAML has folded its lines into one."""
    return (
        re.match(r"\s*(?:resource|data|variable|provider|module|terraform|output|locals)\b[^:{]*\{", text) is not None
    )

"""What may be shown in an excerpt: only what the schema says is public."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.parse import is_public
from reconciler.kinds.table import KINDS

from .support import REF, minimal

AUTH = {"type": "bearer", "token": "sk-1"}


@pytest.mark.parametrize(
    ("kind", "variant", "path"),
    [
        ("integration", "openai", ("provider",)),
        ("integration", "openai", ("models",)),
        ("integration", "openai", ("models", 0)),
        ("integration", "openai", ("default_model",)),
        ("integration", "openai", ("enabled",)),
        ("integration", "openai", ("description",)),
        ("integration", "openai", ("labels", "team")),
        ("integration", "openai", ("config", "organization")),
        ("integration", "azure_openai", ("config", "deployments", "gpt")),
        ("connector", "http", ("allowed_methods", 0)),
        ("connector", "http", ("timeout_seconds",)),
        ("connector", "http", ("auth", "type")),
        ("connector", "http", ("network_exceptions", 0, "cidr")),
        ("connector", "sql", ("dialect",)),
        ("connector", "sql", ("username",)),
        ("connector", "mcp", ("tools", "search", "risk")),
        ("connector", "mcp", ("command",)),
        ("datasource", "database", ("tables",)),
        ("datasource", "database", ("tables", 3)),
        ("datasource", "database", ("classification",)),
        ("template", "sql", ("sql",)),
        ("template", "sql", ("parameters", "n", "max")),
        ("template", "sql", ("parameters", "n", "default")),
        ("template", "sql", ("parameters", "n", "enum", 0)),
        ("template", "http", ("path",)),
        ("limit", "", ("cost_usd",)),
        ("limit", "", ("target",)),
    ],
)
def test_public(kind: str, variant: str, path: Any) -> None:
    assert is_public(KINDS[kind], minimal(kind, variant), path)


@pytest.mark.parametrize(
    ("kind", "variant", "path"),
    [
        ("integration", "openai", ("credential",)),
        ("integration", "bedrock", ("credential",)),
        ("integration", "openai", ("base_url",)),
        ("integration", "ollama", ("base_url",)),
        ("integration", "openai", ("config",)),
        ("integration", "custom", ("config", "anything")),
        ("integration", "custom", ("config", "a", 0, "b")),
        ("integration", "openai", ("unknown",)),
        ("integration", "openai", ("models", "x")),
        ("integration", "openai", ("description", "x")),
        ("integration", "openai", ()),
        ("connector", "http", ("base_url",)),
        ("connector", "http", ("auth",)),
        ("connector", "http", ("auth", "token")),
        ("connector", "http", ("auth", "password")),
        ("connector", "http", ("headers", "X-A")),
        ("connector", "http", ("headers", "X-A", "plain")),
        ("connector", "sql", ("dsn",)),
        ("connector", "sql", ("password",)),
        ("connector", "sql", ("host",)),
        ("connector", "sql", ("options", "warehouse")),
        ("connector", "mcp", ("args", 0)),
        ("connector", "mcp", ("env", "KEY")),
        ("connector", "mcp", ("env", "KEY", "plain")),
        ("connector", "mcp", ("url",)),
        ("connector", "vector", ("api_key",)),
        ("connector", "file", ("secret_access_key",)),
        ("connector", "stream", ("brokers", 0)),
        ("connector", "custom", ("config", "a")),
        ("datasource", "custom", ("extent", "a")),
        ("template", "http", ("headers", "X-A")),
        ("template", "http", ("query", "a")),
        ("template", "http", ("body", "type")),
    ],
)
def test_private(kind: str, variant: str, path: Any) -> None:
    assert not is_public(KINDS[kind], minimal(kind, variant), path)


def test_an_unknown_variant_shows_what_every_variant_shows() -> None:
    kind = KINDS["connector"]
    for raw in ({}, {"type": "htpp"}, {"type": 5}, None, [], "x"):
        assert is_public(kind, raw, ("type",))
        assert is_public(kind, raw, ("description",))
        assert not is_public(kind, raw, ("password",))
        assert not is_public(kind, raw, ("config", "a"))
        assert not is_public(kind, raw, ("nothing",))


def test_a_union_is_told_apart_by_the_raw_value() -> None:
    kind, raw = KINDS["connector"], minimal("connector", "http", auth={"type": "api_key", "key": REF})
    assert is_public(kind, raw, ("auth", "header"))
    assert not is_public(kind, raw, ("auth", "key"))
    unknown = minimal("connector", "http", auth={"type": "magic"})
    assert is_public(kind, unknown, ("auth", "type"))
    assert not is_public(kind, unknown, ("auth", "token"))
    assert not is_public(kind, minimal("connector", "http", auth="sk-1"), ("auth",))


@pytest.mark.parametrize("value", [{"a": "sk-1"}, ["sk-1"], [["sk-1"]]])
def test_a_container_in_place_of_a_public_scalar_is_private(value: Any) -> None:
    assert not is_public(KINDS["template"], minimal("template", "sql", sql=value), ("sql",))


def test_a_map_inside_a_public_list_is_private() -> None:
    raw = minimal("integration", "openai", models=[{"key": "sk-1"}])
    assert not is_public(KINDS["integration"], raw, ("models",))
    assert not is_public(KINDS["integration"], raw, ("models", 0))
    assert not is_public(KINDS["integration"], raw, ("models", 0, "key"))

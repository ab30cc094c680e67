"""The defaults of manifest version 1: whoever changes one changes what people's files mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .support import MINIMAL, body

FILE = Path(__file__).with_name("frozen_defaults_v1.json")
FROZEN = json.loads(FILE.read_text()) if FILE.exists() else {}


@pytest.mark.parametrize(("kind", "variant"), MINIMAL)
def test_the_defaults_are_frozen(kind: str, variant: str) -> None:
    key = f"{kind}/{variant}" if variant else kind
    raw = MINIMAL[kind, variant]
    defaults = {name: value for name, value in body(kind, raw).items() if name not in raw}
    assert FROZEN[key] == defaults, "a changed default needs a new manifest version, not a new snapshot"


def test_nothing_else_is_frozen() -> None:
    assert set(FROZEN) == {f"{kind}/{variant}" if variant else kind for kind, variant in MINIMAL}


def test_the_defaults_of_parts_are_frozen() -> None:
    connector = body("connector", {**MINIMAL["connector", "mcp"], "tools": {"search": {}}})
    assert connector["tools"] == {"search": {"requires_approval": False, "risk": "medium", "description": ""}}
    auth = {"type": "api_key", "key": "env://KEY"}
    connector = body("connector", {**MINIMAL["connector", "http"], "auth": auth})
    assert connector["auth"] == {**auth, "header": "X-API-Key", "in": "header"}
    oauth = {"type": "oauth2", "token_url": "https://x.example", "client_id": "a", "client_secret": "env://S"}
    assert body("connector", {**MINIMAL["connector", "http"], "auth": oauth})["auth"] == {**oauth, "scopes": []}
    template = body("template", {**MINIMAL["template", "sql"], "parameters": {"a": {"type": "string"}}})
    assert template["parameters"] == {"a": {"type": "string", "description": "", "nullable": False}}

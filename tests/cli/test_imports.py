"""A first plan imports the models of what its files declare, and no others."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from pydantic import BaseModel

import reconciler.kinds
from tests.conftest import ROOT, command_environment

MANIFEST = """
version: 1
tenant: acme
integrations:
  openai: {provider: openai, credential: 'vault://kv/acme/openai#api_key'}
connectors:
  api: {type: http, base_url: 'https://api.example.com'}
datasources:
  orders: {type: api, connector: api, paths: [/orders]}
templates:
  orders: {type: http, datasource: orders, method: GET, path: /orders}
limits:
  orders: {target: template/orders, per: minute, requests: 60}
"""
NAMES = """
import sys
from reconciler.cli import main
try:
    main(["plan", "--quiet", "--out", "first.plan"])
finally:
    import json
    print(json.dumps(sorted(sys.modules)))
"""
UNUSED = {
    *(f"reconciler.kinds.{name}" for name in ("caller", "guardrail", "plane", "policy", "route")),
    *(f"reconciler.kinds.provider.{name}" for name in ("anthropic", "bedrock", "cohere", "custom", "gemini")),
    *(f"reconciler.kinds.connector.{name}" for name in ("custom", "mcp", "serverless", "stream", "vector")),
    "reconciler.access.effects",
    "importlib.metadata",
    "sqlalchemy",
}


def test_what_no_file_declares_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(MANIFEST)
    done = subprocess.run(
        [sys.executable, "-c", NAMES],
        cwd=tmp_path,
        env=command_environment({"PYTHONPATH": str(ROOT), "RECONCILER_CACHE_DIR": str(tmp_path / "cache")}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    imported = {*json.loads(done.stdout.splitlines()[-1])}
    assert imported >= {"pydantic", "reconciler.kinds.provider.openai", "reconciler.kinds.connector.http"}
    assert not imported & UNUSED


def test_annotations_of_models_are_values() -> None:
    """As text, each would be compiled at every start, and once more for each model that inherits it."""
    named = [one.name for one in pkgutil.walk_packages(reconciler.kinds.__path__, "reconciler.kinds.")]
    models = [
        value
        for name in named
        if vars(module := import_module(name)).get("annotations") is annotations
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == name
    ]
    assert not models

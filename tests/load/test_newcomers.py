"""What newcomers write is one problem, with the line to write here as its next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Ran, reconciler

HEAD = "version: 1\ntenant: acme\n"
ONE = {
    "Kubernetes": ("apiVersion: v1\nkind: X\nmetadata: {name: x}\n", "begin with `version: 1`"),
    "decK": ('_format_version: "3.0"\nservices: []\n', "begin with `version: 1`"),
    "LiteLLM": ("model_list: []\nlitellm_settings: {}\n", "reconciler convert litellm"),
    "clients of MCP": ("mcpServers: {a: {command: x}}\n", "reconciler convert mcp"),
    "OpenAPI": ("openapi: 3.1.0\ninfo: {title: x}\n", "reconciler convert openapi"),
    "HCL": ('resource "x" "y" {\n  a = 1\n}\n', "Terraform's language"),
    "a database's name as type": (
        HEAD + "connectors: {a: {type: postgres, dsn: env://D}}\n",
        "write `type: sql` and `dialect: postgresql`",
    ),
    "a transport": (
        HEAD + "connectors: {a: {type: mcp, transport: http, url: 'https://x.example'}}\n",
        "write `transport: streamable_http`",
    ),
    "a field one level too high": (
        HEAD + "integrations:\n  a: {provider: openai, project: x, credential: env://K}\n",
        "write `config: {project: ...}`",
    ),
    "a list": (HEAD + "connectors:\n- name: a\n  type: sql\n", "write `NAME:` and its fields below it"),
    "a variable of the environment": (
        HEAD + 'integrations: {a: {provider: openai, credential: "${OPENAI_API_KEY}"}}\n',
        "write env://OPENAI_API_KEY",
    ),
    "a variable without var": (
        HEAD + 'connectors: {a: {type: sql, dialect: sqlite, database: "${region}.db"}}\n',
        "write ${var.region}",
    ),
    "a variable in a flow map": (
        HEAD + "limits:\n  l: {target: tenant, per: day, requests: ${var.n}}\n",
        'write "${var.n}"',
    ),
    "a variable in a flow list": (HEAD + "limits:\n  l: {x: [${var.n}, 2]}\n", 'write "${var.n}"'),
    "a misspelt discriminator": (
        HEAD + "connectors: {a: {tpye: sql, dialect: sqlite, database: a.db}}\n",
        "did you mean `type`?",
    ),
    "a misspelt field that is needed": (
        HEAD + "limits: {l: {target: tenant, per: day, reqests: 4}}\n",
        "did you mean `requests`?",
    ),
}


def _validated(text: str, folder: Path) -> Ran:
    (folder / "a.yaml").write_text(text)
    return reconciler("validate", ".", "--format", "json", cwd=folder)


@pytest.mark.parametrize("name", ONE)
def test_it_is_one_problem_with_the_line_to_write(name: str, tmp_path: Path) -> None:
    text, hint = ONE[name]
    errors = _validated(text, tmp_path).ok(3).json["errors"]
    assert [error["hint"] for error in errors if hint in (error["hint"] or "")], errors
    assert len(errors) == 1, errors


def test_templates_of_other_tools_are_named(tmp_path: Path) -> None:
    errors = _validated(HEAD + "limits:\n  l:\n    target: {{ region }}\n", tmp_path).ok(3).json["errors"]
    assert any('write "${var.region}"' in (error["hint"] or "") for error in errors)


def test_a_misspelt_discriminator_hides_nothing(tmp_path: Path) -> None:
    text = HEAD + "connectors: {a: {tpye: sql, dialect: sqlite, bogus: 1}}\n"
    errors = _validated(text, tmp_path).ok(3).json["errors"]
    assert {(error["code"], error["path"][-1]) for error in errors if error["path"]} >= {
        ("unknown-field", "tpye"),
        ("unknown-field", "bogus"),
    }


def test_anchors_may_be_shared(tmp_path: Path) -> None:
    text = HEAD + "x-shared: &a {requests: 1, per: day}\nlimits: {l: {<<: *a, target: tenant}}\n"
    _validated(text, tmp_path).ok()
    _validated(text.replace("x-shared", "shared"), tmp_path).ok(3)


def test_problems_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(HEAD + "limits: {l: {target: tenant, per: day, reqests: 4, oops: 1}}\n")
    (tmp_path / "b.yaml").write_text(HEAD + "limits: {k: {target: tenant, per: week, requests: 1}}\n")
    assert reconciler("validate", ".", cwd=tmp_path).ok(3).err.endswith("\n3 problems in 2 files.\n")
    (tmp_path / "a.yaml").unlink()
    assert "problems in" not in reconciler("validate", ".", cwd=tmp_path).ok(3).err

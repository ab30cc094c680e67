"""A secret that was written out is nowhere in manifests, reports or files, whatever else holds it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import reconciler

SECRET = "sk-live-4f9A0c77d2E1b6"
LITELLM = f"""
model_list:
  - model_name: gpt
    litellm_params: {{model: openai/gpt-5, api_key: {SECRET}, organization: "org {SECRET}"}}
    model_info: {{id: {SECRET}}}
  - model_name: "{SECRET}"
    litellm_params: {{model: openai/gpt-5, api_base: "https://u:{SECRET}@gateway.example.com"}}
general_settings: {{master_key: {SECRET}}}
"""
TOOLBOX = f"""
sources:
  db: {{kind: postgres, host: db, database: shop, user: app, password: {SECRET}}}
  graph: {{kind: neo4j, uri: "bolt://app:{SECRET}@graph", note: "{SECRET}"}}
tools:
  t: {{kind: postgres-sql, source: db, description: "use {SECRET}", statement: "SELECT a FROM t"}}
  u: {{kind: postgres-sql, source: db, description: d, statement: "SELECT '{SECRET}' FROM t"}}
"""
OPENAPI = f"""
openapi: 3.1.0
info: {{title: A, description: "with {SECRET}"}}
servers: [{{url: "https://u:{SECRET}@api.example.com"}}]
x-internal: {{api_key: {SECRET}}}
paths:
  /a:
    get:
      operationId: a
      description: "call with {SECRET}"
      parameters: [{{name: q, in: query, schema: {{type: string, default: {SECRET}, enum: [{SECRET}]}}}}]
    post:
      operationId: b
      requestBody: {{content: {{application/json: {{schema: {{properties: {{token: {{type: string, default: {SECRET}, example: {SECRET}}}}}}}}}}}}}
"""
MCP = json.dumps(
    {
        "mcpServers": {
            "env": {"command": "x", "env": {"API_KEY": SECRET, "OTHER": SECRET, "URL": f"https://u:{SECRET}@h"}},
            "args": {
                "command": "x",
                "args": [f"--token={SECRET}", "--key", SECRET, f"postgres://u:{SECRET}@h/d", SECRET],
            },
            "url": {"url": f"https://h/mcp?key={SECRET}", "headers": {"Authorization": f"Bearer {SECRET}"}},
            "user": {"url": f"https://u:{SECRET}@h/mcp", "headers": {"X-Custom": SECRET, "Authorization": SECRET}},
            "prose": {"command": "x", "description": f"the key is {SECRET}", "env": {"TOKEN": SECRET}},
            "command": {"command": SECRET},
        }
    }
)
REGISTRY = f"""
name: a
type: server
image: x
about: {{title: "{SECRET}"}}
run: {{command: ["--password", {SECRET}], env: {{PASSWORD: {SECRET}, H: 'Authorization: Bearer {SECRET}'}}}}
"""
INPUTS = {
    "litellm": ("litellm", "in.yaml", LITELLM),
    "toolbox": ("toolbox", "in.yaml", TOOLBOX),
    "openapi": ("openapi", "in.yaml", OPENAPI),
    "mcp": ("mcp", "in.json", MCP),
    "registry": ("mcp", "in.yaml", REGISTRY),
}


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("name", INPUTS)
def test_a_literal_is_nowhere(name: str, form: str, tmp_path: Path) -> None:
    format, file, text = INPUTS[name]
    (tmp_path / file).write_text(text)
    ran = reconciler("convert", format, file, "--format", form, "--out", "out", cwd=tmp_path).ok()
    on_stdout = reconciler("convert", format, file, "--format", form, cwd=tmp_path).ok()
    written = "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    assert written == on_stdout.out
    for shown in (written, ran.text, on_stdout.text):
        assert SECRET not in shown
        assert SECRET.lower() not in shown.lower()
    if name != "openapi":
        assert "env://" in written
        assert "what may be a secret was written here" in ran.err
    reconciler("validate", "out", cwd=tmp_path).ok()


@pytest.mark.parametrize("name", INPUTS)
def test_not_in_errors_either(name: str, tmp_path: Path) -> None:
    format, file, text = INPUTS[name]
    (tmp_path / file).write_text(text + f"\n  : [{SECRET}\n{SECRET}")
    ran = reconciler("convert", format, file, cwd=tmp_path).ok(3)
    assert SECRET not in ran.text


def test_each_service_has_a_reference_of_its_own_whatever_the_text(tmp_path: Path) -> None:
    entries = [("a", "sk-one-1111"), ("b", "sk-two-2222"), ("b", "sk-three-33"), ("c", "sk-one-1111")]
    lines = [
        f"  - {{model_name: {n}, litellm_params: {{model: openai/{i}, api_key: {key}, timeout: {i + 1}}}}}"
        for i, (n, key) in enumerate(entries)
    ]
    (tmp_path / "in.yaml").write_text("model_list:\n" + "\n".join(lines))
    out = reconciler("convert", "litellm", "in.yaml", cwd=tmp_path).ok().out
    assert [line.split("env://")[1].strip('"') for line in out.splitlines() if "env://" in line] == [
        "A_API_KEY",
        "B_API_KEY",
        "B_2_API_KEY",
        "C_API_KEY",
    ]


def test_a_literal_never_takes_the_name_of_a_variable_in_use(tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_text(
        "model_list:\n"
        "  - {model_name: a, litellm_params: {model: openai/x, api_key: sk-one-1111}}\n"
        "  - {model_name: z, litellm_params: {model: openai/y, api_key: os.environ/A_API_KEY}}\n"
    )
    out = reconciler("convert", "litellm", "in.yaml", cwd=tmp_path).ok().out
    assert "env://A_API_KEY_2" in out
    assert '"env://A_API_KEY"' in out


def test_the_environment_of_whoever_converts_is_never_read(tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_text(
        "model_list:\n  - {model_name: a, litellm_params: {model: openai/x, api_base: os.environ/LEAK, api_key: os.environ/LEAK}}\n"
    )
    ran = reconciler(
        "convert", "litellm", "in.yaml", cwd=tmp_path, env={"LEAK": "https://leak.example.com/leaked"}
    ).ok()
    assert "leak.example.com" not in ran.text
    assert "enabled: false" in ran.out, "a credential must not go to another address than the one that was meant"

"""Tools of MCP Toolbox that send requests, sources that a file only names, and IBM i's SQL tools; reasons are true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.kinds.connector.served import unserved
from tests.conftest import reconciler
from tests.convert.one import made
from tests.convert.play import Refused, played


def http(tool: dict[str, Any], **source: Any) -> dict[str, Any]:
    own = {"kind": "http", "baseUrl": "https://api.example.com/v1", **source}
    plain = {"kind": "http", "source": "api", "method": "GET", "path": "/plain", "description": "d"}
    return {
        "sources": {"api": own},
        "tools": {"plain": plain, "t": {"kind": "http", "source": "api", "description": "d", **tool}},
    }


def named(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "string", "description": "d", **more}


def test_a_request(tmp_path: Path) -> None:
    tool = {
        "method": "POST",
        "path": "/users/{{.id}}",
        "pathParams": [named("id")],
        "queryParams": [named("pageToken", required=False)],
        "headerParams": [named("X-Trace", required=False)],
        "headers": {"X-Fixed": "a"},
        "requestBody": '{"name": {{json .name}}, "age": {{.age}}, "kind": "user", "tags": ["{{.tag}}"]}',
        "bodyParams": [
            named("name"),
            {"name": "age", "type": "integer", "description": "d", "minValue": 1},
            named("tag"),
        ],
    }
    found = made(
        "toolbox", http(tool, queryParams={"api-version": "2"}, headers={"Authorization": "Bearer ${TOKEN}"}), tmp_path
    )
    body = {"name": "x", "age": 2, "kind": "user", "tags": ["t"]}
    request = played(found.converted, "t", id="a/b", page_token="p", x_trace="z", body=body)
    assert (request.method, request.url) == ("POST", "https://api.example.com/v1/users/a%2Fb?api-version=2&pageToken=p")
    assert json.loads(request.body or b"") == body
    assert request.headers["X-Fixed"] == "a"
    assert request.headers["X-Trace"] == "z"
    assert request.headers["Authorization"] == "Bearer <env://TOKEN>"
    assert found.of("connector")["api"]["allowed_methods"] == ["GET", "POST"]
    for wrong in (
        {**body, "age": 0},
        {**body, "kind": "admin"},
        {**body, "more": 1},
        {"name": "x"},
        {**body, "tags": []},
    ):
        with pytest.raises(Refused):
            played(found.converted, "t", id="a", body=wrong)


@pytest.mark.parametrize(
    "tool",
    [
        {"method": "POST", "path": "/a", "requestBody": '{"a": "x{{.b}}"}', "bodyParams": [named("b")]},
        {"method": "POST", "path": "/a", "requestBody": "{{if .b}}{}{{end}}", "bodyParams": [named("b")]},
        {"method": "POST", "path": "/a", "requestBody": "{}", "bodyParams": [named("b")]},
        {"method": "GET", "path": "/a/{{.id}}"},
        {"method": "GET", "path": "/a?b=1"},
        {"method": "GET", "path": "/a", "headers": {"X-Token": "${TOKEN}"}},
        {"method": "GET", "path": "/a", "authRequired": ["g"]},
        {"method": "GET", "path": "/a", "queryParams": [named("q", excludedValues=["x"])]},
    ],
)
def test_what_is_no_such_request_is_left_out(tool: dict[str, Any], tmp_path: Path) -> None:
    found = made("toolbox", http(tool), tmp_path)
    assert [*found.of("template")] == ["plain"]
    assert "built into" not in found.report


@pytest.mark.parametrize(("type", "word"), [("neo4j-cypher", "Cypher"), ("cassandra-cql", "CQL")])
def test_languages_are_said_by_their_names(type: str, word: str, tmp_path: Path) -> None:
    kind = type.partition("-")[0]
    value = {
        "sources": {"db": {"kind": kind, "uri": "bolt://db", "hosts": ["a"], "user": "u", "password": "${P}"}},
        "tools": {"t": {"kind": type, "source": "db", "description": "d", "statement": "MATCH (n) RETURN n"}},
    }
    assert f"its statement is {word}" in made("toolbox", value, tmp_path).report


IBM = """
sources:
  ibmi: {host: "${DB2i_HOST}", user: "${DB2i_USER}", password: "${DB2i_PASS}", port: 8076, ignore-unauthorized: true}
tools:
  active_jobs:
    source: ibmi
    description: Jobs that use most of the processor
    statement: |
      SELECT JOB_NAME, CPU_TIME FROM QSYS2.SYSDISKSTAT WHERE JOB_TYPE = :job_type AND UNIT >= :Least
      ORDER BY CPU_TIME DESC FETCH FIRST :limit ROWS ONLY
    parameters:
      - {name: job_type, type: string, pattern: "^[A-Z]{3}$", description: d}
      - {name: Least, type: integer, min: 1, description: d}
      - {name: limit, type: integer, min: 1, max: 100, default: 10, description: d}
    security: {readOnly: true}
  any_case: {source: ibmi, description: d, statement: "SELECT A FROM L.T WHERE B = :b", parameters: [{name: b, type: string, enum: [x, y], minLength: 1}]}
  writes: {source: ibmi, description: d, statement: "DELETE FROM L.T"}
toolsets: {performance: {tools: [active_jobs]}}
"""


def test_sql_tools_of_ibm_i(tmp_path: Path) -> None:
    found = made("toolbox", IBM, tmp_path, "in.yaml")
    assert sorted(found.of("template")) == ["active-jobs", "any-case"], found.report
    assert found.of("connector")["ibmi"]["dialect"] == "db2"
    body = found.of("template")["active-jobs"]
    assert ":least" in body["sql"]
    assert body["parameters"]["job_type"]["pattern"] == "[A-Z]{3}"
    assert (body["parameters"]["limit"]["min"], body["parameters"]["limit"]["max"]) == (1, 100)
    assert found.of("template")["any-case"]["parameters"]["b"]["enum"] == ["x", "y"]


WITHOUT = {
    "tools": {"t": {"kind": "postgres-sql", "source": "my-db", "description": "d", "statement": "SELECT a FROM t"}}
}


def test_a_source_that_is_only_named(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text(json.dumps(WITHOUT))
    assert "--source" in reconciler("convert", "toolbox", "in.json", cwd=tmp_path).ok(3).err
    ran = reconciler("convert", "toolbox", "in.json", "--source", "my-db=postgres", cwd=tmp_path).ok()
    assert "dsn: " in ran.out
    assert "\n  t:\n" in ran.out
    reconciler("validate", "-", cwd=tmp_path, stdin=ran.out).ok()
    reconciler("convert", "toolbox", "in.json", "--source", "postgres", cwd=tmp_path).ok(64)


def test_check_says_what_would_be_sent(tmp_path: Path) -> None:
    media = {
        "schema": {"type": "object", "properties": {"n": {"type": "integer"}}},
        "examples": {"a": {"value": {"n": 1}}, "b": {"value": {"n": "x"}}},
    }
    parameter = {"name": "id", "in": "path", "required": True, "example": "7", "schema": {"type": "string"}}
    post = {
        "operationId": "a",
        "parameters": [parameter],
        "requestBody": {"required": True, "content": {"application/json": media}},
    }
    value = {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "servers": [{"url": "https://a.example"}],
        "paths": {"/a/{id}": {"post": post}, "/b": {"get": {"operationId": "b"}}},
    }
    (tmp_path / "in.json").write_text(json.dumps(value))
    ran = reconciler("convert", "openapi", "in.json", "--check", cwd=tmp_path).ok()
    assert 'would be sent: template/a POST https://a.example/a/7 Content-Type: application/json; {"n":1}' in ran.err
    assert "refused: template/a" in ran.err
    assert "would be sent (made up): template/b GET https://a.example/b" in ran.err
    reconciler("convert", "openapi", "in.json", "--check", "--strict", cwd=tmp_path).ok(2)
    report = json.loads(
        reconciler("convert", "openapi", "in.json", "--check", "--format", "json", cwd=tmp_path).ok().err
    )
    assert [one["refused"] for one in report["inputs"][0]["played"]].count(True) == 1


def test_check_of_servers_statements_and_models(tmp_path: Path) -> None:
    inputs = {
        "mcp": {"mcpServers": {"a": {"command": "npx", "args": ["x"], "env": {"TOKEN": "${T}"}}}},
        "toolbox": {**WITHOUT, "sources": {"my-db": {"kind": "sqlite", "database": "a.db"}}},
        "litellm": {
            "model_list": [{"model_name": "m", "litellm_params": {"model": "openai/m", "api_key": "os.environ/K"}}]
        },
    }
    expected = {"mcp": "starts TOKEN=<env://T> npx x", "toolbox": "runs SELECT a FROM t", "litellm": "with env://K"}
    for format, value in inputs.items():
        (tmp_path / "in.json").write_text(json.dumps(value))
        assert expected[format] in reconciler("convert", format, "in.json", "--check", cwd=tmp_path).ok().err


@pytest.mark.parametrize("kind", ["postgres", "mysql", "cloud-sql-mysql", "sqlite"])
def test_databases_that_the_runtime_can_run(tmp_path: Path, kind: str) -> None:
    """A source of MySQL and its tools are agents' to call as they are: nothing of them is unserved."""
    where = (
        {"database": "/srv/x.db"}
        if kind == "sqlite"
        else {"host": "db", "database": "x", "user": "u", "password": "${P}"}
    )
    tool = {"kind": f"{kind}-sql", "source": "shop", "description": "d", "statement": "SELECT name FROM customers"}
    found = made("toolbox", {"sources": {"shop": {"kind": kind, **where}}, "tools": {"names": tool}}, tmp_path)
    (connector,) = found.of("connector").values()
    assert (connector["type"], connector.get("runtime"), unserved(connector)) == ("sql", None, None)
    assert [*found.of("template")] == ["names"]

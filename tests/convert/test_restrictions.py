"""What limits something in another tool limits it here, or its resource is switched off or left out, and said first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.convert.table import FORMATS
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.kinds.template.parameter import Parameter
from reconciler.model.address import Address
from tests.conftest import reconciler
from tests.convert.one import Made, made

FIRST = "changes what may be done"


def server(**fields: Any) -> dict[str, Any]:
    return {
        "mcpServers": {"a": {"command": "npx", "args": ["-y", "x"], **fields}, "b": {"command": "uvx", "args": ["y"]}}
    }


def remote(**fields: Any) -> dict[str, Any]:
    return {
        "mcpServers": {"a": {"url": "https://mcp.example.com/mcp", **fields}, "b": {"command": "uvx", "args": ["y"]}}
    }


OFF = {
    "a query": remote(url="https://mcp.example.com/mcp?project_ref=x&read_only=true"),
    "a query of one": remote(url="https://mcp.example.com/mcp?readonly=1"),
    "a query of features": remote(url="https://mcp.example.com/mcp?features=docs"),
    "a filled-in argument": server(args=["-y", "x", "--access-level=${input:level}"]),
    "a filled-in value": server(args=["-y", "x", "--project", "${PROJECT}"]),
    "an argument that is no text": server(args=["-y", {"read": "only"}]),
    "a folder": server(cwd="/srv/only-here"),
    "a file of variables": server(envFile="${workspaceFolder}/.env"),
    "a sandbox": server(sandbox={"network": {"allowedDomains": ["a.example"]}}),
    "a variable that is no text": server(env={"READ_ONLY": {"x": 1}}),
    "a header that is no text": remote(headers={"X-Readonly": ["true"]}),
}


@pytest.mark.parametrize("name", OFF)
def test_a_server_whose_limit_is_lost_is_switched_off(name: str, tmp_path: Path) -> None:
    found = made("mcp", OFF[name], tmp_path)
    assert found.of("connector")["a"]["runtime"] is False
    assert "runtime" not in found.of("connector")["b"], "another server is not the worse for it"
    assert found.restrictions
    assert found.report.splitlines()[1].strip().startswith(FIRST)


@pytest.mark.parametrize(
    "fields", [{"disabled": True}, {"enabled": False}, {"isActive": False}, {"enabled": "false"}, {"disabled": "true"}]
)
def test_a_server_that_is_off_stays_off(fields: dict[str, Any], tmp_path: Path) -> None:
    found = made("mcp", server(**fields), tmp_path)
    assert found.of("connector")["a"]["runtime"] is False
    assert not found.restrictions, "the switch is carried over"
    assert (
        "runtime"
        not in made("mcp", server(**{key: True for key in fields if key != "disabled"}), tmp_path).of("connector")["a"]
    )


def test_tools_are_never_more_than_there(tmp_path: Path) -> None:
    tools = made(
        "mcp",
        server(includeTools=["read", "list", "drop"], excludeTools=["drop"], autoApprove=["list", "write"]),
        tmp_path,
    ).of("connector")["a"]["tools"]
    assert tools == {"list": {}, "read": {"requires_approval": True}}
    assert "tools" not in made("mcp", server(disabledTools=["x"], alwaysAllow=["x"]), tmp_path).of("connector")["a"]
    assert made("mcp", server(includeTools=[{"name": "x"}]), tmp_path).of("connector")["a"]["runtime"] is False


def test_headers_and_arguments_that_limit_are_kept(tmp_path: Path) -> None:
    found = made("mcp", remote(headers={"X-MCP-Readonly": True, "X-MCP-Toolsets": "repos"}), tmp_path)
    assert found.of("connector")["a"]["headers"] == {"X-MCP-Readonly": "true", "X-MCP-Toolsets": "repos"}
    assert made("mcp", server(args=["x", "--read-only", "--access-level=read"]), tmp_path).of("connector")["a"]["args"][
        -2:
    ] == [
        "--read-only",
        "--access-level=read",
    ]


def registry(**fields: Any) -> dict[str, Any]:
    return {"name": "a", "type": "server", "image": "mcp/a", **fields}


@pytest.mark.parametrize(
    "run",
    [
        {"allowHosts": ["api.example.com:443"]},
        {"command": ["--access-level={{a.level}}"]},
        {"disableNetwork": {"x": 1}},
    ],
)
def test_a_container_whose_limit_is_lost_is_switched_off(run: dict[str, Any], tmp_path: Path) -> None:
    found = made("mcp", registry(run=run), tmp_path)
    assert found.of("connector")["a"]["runtime"] is False
    assert found.restrictions


def test_a_container_keeps_what_docker_can_say(tmp_path: Path) -> None:
    parameters = {"type": "object", "properties": {"level": {"type": "string", "default": "read"}}}
    run = {"disableNetwork": True, "user": 1000, "command": ["--access-level={{a.level}}"]}
    body = made("mcp", registry(run=run, config={"parameters": parameters}), tmp_path).of("connector")["a"]
    assert "runtime" not in body
    assert body["args"] == ["run", "--rm", "-i", "--network", "none", "--user", "1000", "mcp/a", "--access-level=read"]


def toolbox(tool: dict[str, Any] | None = None, **source: Any) -> dict[str, Any]:
    own = {"kind": "cockroachdb", "host": "db", "database": "shop", "user": "app", "password": "${PASSWORD}", **source}
    plain = {"kind": "cockroachdb-sql", "source": "db", "description": "d", "statement": "SELECT a FROM t"}
    tools = {"plain": plain}
    if tool is not None:
        tools["t"] = {**plain, "statement": "SELECT a FROM t WHERE b = $1", **tool}
    return {"sources": {"db": own}, "tools": tools}


def parameter(**bounds: Any) -> dict[str, Any]:
    return {"parameters": [{"name": "b", "type": "string", "description": "d", **bounds}]}


def test_encryption_of_a_source(tmp_path: Path) -> None:
    found = made("toolbox", toolbox(queryParams={"sslmode": "verify-full"}), tmp_path)
    assert found.of("connector")["db"]["ssl"] == "verify-full"
    assert not found.restrictions


@pytest.mark.parametrize(
    "source",
    [
        {"queryParams": {"options": "-c default_transaction_read_only=on"}},
        {"queryParams": {"sslmode": "verify-everything"}},
        {"queryParams": {"search_path": "public"}},
        {"queryParams": "a=b"},
        {"useClientOAuth": True},
        {"allowedDatasets": ["a"]},
        {"writeMode": "protected"},
    ],
)
def test_a_source_whose_limit_is_lost_is_switched_off(source: dict[str, Any], tmp_path: Path) -> None:
    found = made("toolbox", toolbox(**source), tmp_path)
    assert found.of("connector")["db"]["runtime"] is False
    assert found.restrictions


@pytest.mark.parametrize(
    "tool",
    [
        parameter(excludedValues=["internal"]),
        parameter(allowedValues=[1, "a"]),
        parameter(allowedValues="a"),
        parameter(minValue=1),
        parameter(pattern="(?=a)b"),
        parameter(authServices=[{"name": "a", "field": "sub"}, {"name": "b", "field": "email"}]),
        {"authRequired": ["google"], **parameter()},
        {"security": {"forbiddenKeywords": ["x"]}, **parameter()},
        {"parameters": [{"name": "b", "type": "array", "items": {"type": "string", "excludedValues": ["x"]}}]},
    ],
)
def test_a_tool_whose_limit_is_lost_is_left_out(tool: dict[str, Any], tmp_path: Path) -> None:
    found = made("toolbox", toolbox(tool), tmp_path)
    assert [*found.of("template")] == ["plain"]
    assert found.restrictions
    assert found.report.splitlines()[1].strip().startswith(FIRST)


def test_a_bound_that_is_not_valid_here_leaves_the_tool_out(tmp_path: Path) -> None:
    tool = {"parameters": [{"name": "b", "type": "integer", "description": "d", "minValue": 5, "maxValue": 1}]}
    assert [*made("toolbox", toolbox(tool), tmp_path).of("template")] == ["plain"]


def judged(body: dict[str, Any]) -> Parameter:
    return Parameter.model_validate(body)


def parameter_of(found: Made) -> dict[str, Any]:
    return found.of("template")["t"]["parameters"]["b"]


def test_allowed_values_are_patterns_anywhere(tmp_path: Path) -> None:
    own = judged(parameter_of(made("toolbox", toolbox(parameter(allowedValues=["eu", "^us-[0-9]+$"])), tmp_path)))
    for text, fits in {
        "eu": True,
        "west-eu-1": True,
        "us-1": True,
        "us-x": False,
        "xus-1": False,
        "asia": False,
    }.items():
        assert (own.wrong(text) is None) == fits, text
    assert parameter_of(made("toolbox", toolbox(parameter(allowedValues=["^eu$", "^us$"])), tmp_path))["enum"] == [
        "eu",
        "us",
    ]
    tool = {"parameters": [{"name": "b", "type": "integer", "description": "d", "allowedValues": [1, 2]}]}
    assert parameter_of(made("toolbox", toolbox(tool), tmp_path))["enum"] == [1, 2]


def test_bounds_of_items_and_logins_are_kept(tmp_path: Path) -> None:
    items = {"name": "x", "type": "integer", "description": "d", "minValue": 1}
    tool = {"parameters": [{"name": "b", "type": "array", "description": "d", "items": items}]}
    assert parameter_of(made("toolbox", toolbox(tool), tmp_path))["min"] == 1
    login = parameter(authServices=[{"name": "google", "field": "sub"}])
    assert parameter_of(made("toolbox", toolbox(login), tmp_path))["from"] == "claims.sub"


def model(proxy: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    entry = {"model_name": "a", "litellm_params": {"model": "openai/gpt-5", "api_key": "os.environ/K", **params}}
    return {"model_list": [entry], **(proxy or {})}


@pytest.mark.parametrize(
    "value",
    [
        model(max_budget=5),
        model(rpm="many"),
        model(region_name="eu"),
        model(guardrails=["pii"]),
        model(api_base="https://gateway.example.com/v1?tier=restricted"),
        model({"litellm_settings": {"max_budget": 100}}),
        model({"litellm_settings": {"callbacks": ["hide_secrets"]}}),
        model({"general_settings": {"allowed_ips": ["10.0.0.1"]}}),
        model(
            {"guardrails": [{"guardrail_name": "g", "litellm_params": {"guardrail": "presidio", "default_on": True}}]}
        ),
    ],
)
def test_a_model_whose_limit_is_lost_is_switched_off(value: dict[str, Any], tmp_path: Path) -> None:
    found = made("litellm", value, tmp_path)
    assert [one.get("enabled") for one in found.of("integration").values()] == [False]
    assert found.restrictions


def test_limits_that_are_carried_switch_nothing_off(tmp_path: Path) -> None:
    value = model(
        {"litellm_settings": {"max_budget": 100, "budget_duration": "30d"}}, rpm=5, max_budget=1, budget_duration="1d"
    )
    found = made("litellm", value, tmp_path)
    assert "enabled" not in found.of("integration")["a"]
    assert len(found.of("limit")) == 3
    assert not found.restrictions


def test_strict_exits_2_and_says_it_first(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text(json.dumps(OFF["a query"]))
    reconciler("convert", "mcp", "in.json", cwd=tmp_path).ok()
    ran = reconciler("convert", "mcp", "in.json", "--strict", cwd=tmp_path).ok(2)
    assert "runtime: false" in ran.out
    assert FIRST in ran.err.splitlines()[1]
    report = json.loads(reconciler("convert", "mcp", "in.json", "--strict", "--format", "json", cwd=tmp_path).ok(2).err)
    assert "restriction" in [one["what"] for one in report["inputs"][0]["findings"]]
    (tmp_path / "in.json").write_text(json.dumps(server()))
    reconciler("convert", "mcp", "in.json", "--strict", cwd=tmp_path).ok()


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_lists_what_limits(format: str) -> None:
    listed = FORMATS[format].restrictions
    assert listed
    assert len({(one.path, one.everything) for one in listed}) == len(listed)
    assert all(one.limits for one in listed)


def test_the_bodies_are_valid(tmp_path: Path) -> None:
    found = made("mcp", OFF["a query"], tmp_path)
    body = found.of("connector")["a"]
    assert not isinstance(parse(KINDS["connector"], body, Address("acme", "connector", "a")), tuple)

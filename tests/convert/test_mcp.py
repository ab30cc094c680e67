"""Files of MCP clients as people have them: comments, lists, pairs of a container's environment; secrets wherever they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import reconciler
from tests.convert.one import made

COMMENTED = """{
  // servers of the team
  "servers": {
    "z": {
      "command": ["npx", "-y", "server-z"], /* a list
      over two lines */
      "env": {"URL": "https://example.com/a//b"},
    },
    "obs": {"command": "docker", "args": ["run", "-i", "--rm", "-e", "OBS_API_KEY=${input:obs-key}", "-e", "MODE=ro", "obs/mcp"]}, // last
  },
}
"""


def test_comments_trailing_commas_pairs_and_commands_that_are_lists(tmp_path: Path) -> None:
    found = made("mcp", COMMENTED, tmp_path, "mcp.json").of("connector")
    assert (found["z"]["command"], found["z"]["args"]) == ("npx", ["-y", "server-z"])
    assert found["z"]["env"] == {"URL": {"plain": "https://example.com/a//b"}}
    assert found["obs"]["args"] == ["run", "-i", "--rm", "-e", "OBS_API_KEY", "-e", "MODE=ro", "obs/mcp"]
    assert found["obs"]["env"] == {"OBS_API_KEY": "env://OBS_KEY"}


def test_places_are_those_of_the_commented_file(tmp_path: Path) -> None:
    (tmp_path / "mcp.json").write_text(COMMENTED)
    assert "mcp.json:4" in reconciler("convert", "mcp", "mcp.json", cwd=tmp_path).ok().out


@pytest.mark.parametrize("text", ['{"a": 1 // x', '{"a": "/* b"', "{,}", '{"a": 1,, }', "/* {}"])
def test_what_is_no_json_even_so_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text(text)
    reconciler("convert", "mcp", "in.json", cwd=tmp_path).ok(3)


@pytest.mark.parametrize(
    "option", [["-e", "K=s3cr3t-99aa77x"], ["--env", "K=s3cr3t-99aa77x"], ["--env=K=s3cr3t-99aa77x"]]
)
def test_a_secret_of_a_containers_environment_is_handed_over_by_its_name(option: list[str], tmp_path: Path) -> None:
    value = {
        "mcpServers": {
            "a": {"command": "docker", "args": ["run", *[one.replace("K=", "API_KEY=") for one in option], "x/y"]}
        }
    }
    body = made("mcp", value, tmp_path).of("connector")["a"]
    assert body["env"] == {"API_KEY": "env://A_API_KEY"}
    assert body["args"][-2:] == ["API_KEY", "x/y"]


def test_a_list_of_servers(tmp_path: Path) -> None:
    value = {
        "mcpServers": [
            {"name": "a", "command": "npx", "args": ["x"]},
            {"name": "b", "type": "sse", "url": "https://b.example/sse"},
        ]
    }
    found = made("mcp", value, tmp_path).of("connector")
    assert sorted(found) == ["a", "b"]
    assert found["b"]["transport"] == "sse"


def test_opencode(tmp_path: Path) -> None:
    servers = {
        "a": {"type": "local", "command": ["bun", "x", "srv"], "environment": {"A": "1"}, "enabled": True},
        "b": {
            "type": "remote",
            "url": "https://b.example/mcp",
            "headers": {"Authorization": "Bearer {env:KEY}"},
            "enabled": False,
        },
    }
    found = made("mcp", {"$schema": "https://opencode.ai/config.json", "mcp": servers}, tmp_path).of("connector")
    assert found["a"] == {
        "type": "mcp",
        "transport": "stdio",
        "command": "bun",
        "args": ["x", "srv"],
        "env": {"A": {"plain": "1"}},
    }
    assert found["b"]["auth"] == {"type": "bearer", "token": "env://KEY"}
    assert found["b"]["runtime"] is False


def test_each_service_has_its_own_secrets(tmp_path: Path) -> None:
    servers = {name: {"command": "x", "env": {"TOKEN": "YOUR_TOKEN_HERE"}} for name in ("a", "b")}
    found = made("mcp", {"mcpServers": servers}, tmp_path).of("connector")
    assert found["a"]["env"]["TOKEN"] == "env://A_TOKEN"
    assert found["b"]["env"]["TOKEN"] == "env://B_TOKEN"


SEED = "abandon ability able about above absent absorb abstract absurd abuse access accident"
SECRETS = {
    "in a path": {"url": "https://hooks.example.com/mcp/s/x8Kq2Lp9Zr4Tn7Vb3Wc6Yd1F/mcp"},
    "digits in a path": {"url": "https://hooks.example.com/4f9a0c77d2e1b64f9a0c77d2e1b64f9a/mcp"},
    "behind a short option": {"command": "x", "args": ["-k", "x8Kq2Lp9Zr4Tn7"]},
    "at a short option": {"command": "x", "args": ["-px8Kq2Lp9Zr4Tn7"]},
    "a seed phrase": {"command": "x", "args": ["--wallet", SEED]},
    "a seed phrase in the environment": {"command": "x", "env": {"MNEMONIC": SEED}},
    "in a query": {"url": "https://a.example.com/mcp?apiKey=x8Kq2Lp9Zr4Tn7"},
    "basic": {"url": "https://a.example.com/mcp", "headers": {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}},
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_found_where_they_stand(name: str, tmp_path: Path) -> None:
    value = {"mcpServers": {"a": SECRETS[name], "b": {"command": "y"}}}
    found = made("mcp", value, tmp_path)
    for text in ("x8Kq2Lp9Zr4Tn7", "4f9a0c77d2e1b6", SEED, "dXNlcjpwYXNzd29yZA"):
        assert text not in str(found.bodies) + found.report


@pytest.mark.parametrize(
    "args",
    [["-y", "@scope/server-2"], ["-p", "8080"], ["-m", "server_v2.main"], ["-t", "stdio"], ["-c", "config-2.json"]],
)
def test_what_is_no_secret_is_kept(args: list[str], tmp_path: Path) -> None:
    assert (
        made("mcp", {"mcpServers": {"a": {"command": "x", "args": args}}}, tmp_path).of("connector")["a"]["args"]
        == args
    )


def test_a_tool_per_image_is_left_out(tmp_path: Path) -> None:
    text = "name: curl\ntype: poci\ntools:\n  - {name: curl, container: {image: 'curlimages/curl:8', command: ['{{args}}']}}\n---\nname: b\ntype: server\nimage: mcp/b\n"
    found = made("mcp", text, tmp_path, "in.yaml")
    assert [*found.of("connector")] == ["b"]
    assert "container" in found.report


def registry(value: str, **properties: Any) -> dict[str, Any]:
    config = {"env": [{"name": "LEVEL", "value": value}], "parameters": {"type": "object", "properties": properties}}
    return {"name": "a", "type": "server", "image": "mcp/a", "config": config}


def test_defaults_of_parameters_are_values(tmp_path: Path) -> None:
    given = registry("{{a.level}}", level={"type": "string", "default": "info"})
    assert made("mcp", given, tmp_path).of("connector")["a"]["env"] == {"LEVEL": {"plain": "info"}}
    open_one = made("mcp", registry("{{a.level}}", level={"type": "string"}), tmp_path).of("connector")["a"]
    assert open_one["env"]["LEVEL"].startswith("env://A_LEVEL")

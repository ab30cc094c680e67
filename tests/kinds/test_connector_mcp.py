"""Connectors of type mcp: transports, environment, arguments and tools."""

from __future__ import annotations

from typing import Any

import pytest

from .support import REF, body, found, minimal

PIN = "sha256:" + "0a" * 32


def _stdio(**fields: Any) -> dict[str, Any]:
    return {"type": "mcp", "transport": "stdio", "command": "/usr/local/bin/mcp-server", **fields}


def _http(**fields: Any) -> dict[str, Any]:
    return minimal("connector", "mcp", **fields)


@pytest.mark.parametrize("transport", ["streamable_http", "sse"])
def test_http_transports_need_a_url(transport: str) -> None:
    assert found("connector", {"type": "mcp", "transport": transport}) == {("missing-field", ("url",))}
    raw = _http(transport=transport, command="/bin/x", args=["a"], env={"A": REF})
    assert found("connector", raw) == {("conflicting-fields", (name,)) for name in ("command", "args", "env")}


def test_stdio_needs_a_command() -> None:
    assert found("connector", {"type": "mcp", "transport": "stdio"}) == {("missing-field", ("command",))}
    assert found("connector", _stdio()) == set()
    raw = _stdio(url="https://x.example", headers={"X-A": "b"}, auth={"type": "bearer", "token": REF})
    assert found("connector", raw) == {("conflicting-fields", (name,)) for name in ("url", "headers", "auth")}


def test_the_transport_has_no_default() -> None:
    assert ("missing-field", ("transport",)) in found("connector", {"type": "mcp", "url": "https://x.example"})


@pytest.mark.parametrize("command", ["npx -y x", "a;b", "a|b", "$(x)", "a b", "`x`", ""])
def test_a_command_is_one_program(command: str) -> None:
    ((code, path),) = found("connector", _stdio(command=command))
    assert (code in {"invalid-command", "too-short"}, path) == (True, ("command",))


@pytest.mark.parametrize("env", [{"API_KEY": REF}, {"LOG_LEVEL": {"plain": "debug"}}, {"A": "env://B"}, {}])
def test_env(env: dict[str, Any]) -> None:
    assert body("connector", _stdio(env=env))["env"] == env


@pytest.mark.parametrize(
    ("env", "code"),
    [
        ({"LOG_LEVEL": "debug"}, "plaintext-secret"),
        ({"API_KEY": "sk-1"}, "plaintext-secret"),
        ({"A": 5}, "wrong-type"),
        ({"A B": REF}, "invalid-format"),
        ({"1A": REF}, "invalid-format"),
        ({"": REF}, "too-short"),
    ],
)
def test_wrong_env(env: dict[str, Any], code: str) -> None:
    (name,) = env
    assert found("connector", _stdio(env=env)) == {(code, ("env", name))}


@pytest.mark.parametrize("args", [["-y", "server@1.2.3"], ["--root", "/data"], ["--max-tokens=5"], ["--verbose"], [""]])
def test_args_keep_their_order(args: list[str]) -> None:
    assert body("connector", _stdio(args=args))["args"] == args


@pytest.mark.parametrize(
    ("args", "index"),
    [
        (["--api-key=sk-1"], 0),
        (["--api-key", "sk-1"], 1),
        (["-y", "x", "--token", "sk-1"], 3),
        (["API_KEY=sk-1"], 0),
        (["postgresql://bob:pw@db/x"], 0),
        (["--db=postgresql://bob:pw@db/x"], 0),
        ([REF], 0),
    ],
)
def test_args_hold_no_secrets(args: list[str], index: int) -> None:
    assert found("connector", _stdio(args=args)) == {("plaintext-secret", ("args", index))}


def test_tools() -> None:
    tools = {"search": {"requires_approval": True, "risk": "high", "pin": PIN, "description": "x"}, "b/list.v1": {}}
    made = body("connector", _http(tools=tools))
    assert made["tools"]["search"] == tools["search"]
    assert made["tools"]["b/list.v1"]["risk"] == "medium"
    assert body("connector", _http())["tools"] == {}


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ({"a b": {}}, {("invalid-format", ("tools", "a b"))}),
        ({"x": {"risk": "extreme"}}, {("invalid-choice", ("tools", "x", "risk"))}),
        ({"x": {"pin": "sha256:abc"}}, {("invalid-format", ("tools", "x", "pin"))}),
        ({"x": {"pin": PIN.upper()}}, {("invalid-format", ("tools", "x", "pin"))}),
        ({"x": {"require_approval": True}}, {("unknown-field", ("tools", "x", "require_approval"))}),
        ({"x": None}, {("wrong-type", ("tools", "x"))}),
        (["x"], {("wrong-type", ("tools",))}),
    ],
)
def test_wrong_tools(tools: Any, expected: Any) -> None:
    assert found("connector", _http(tools=tools)) == expected


def test_defaults() -> None:
    made = body("connector", _http())
    assert (made["timeout_seconds"], made["rate_limit"], made["auth"]) == (60, 30, {"type": "none"})

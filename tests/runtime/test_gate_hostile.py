"""Random hostile values over every surface and connector: each call is refused or settled, and nothing breaks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reconciler import strict_json
from tests.conftest import ROOT, Db, command_environment
from tests.runtime.connectors.support import postgresql_place
from tests.runtime.servers import OPERATOR, Served, served
from tests.runtime.test_strict_values import MCP_HEADERS, upstream, with_api

TOOLS = ("lite", "pg", "api")
PLANES = {"lite": "desk/query", "pg": "warehouse/query", "api": "warehouse/write"}
ODD = [
    "NaN",
    "-Infinity",
    "1e999",
    "-1e-999999",
    "01",
    "1.",
    "+1",
    "0x1",
    "9" * 30,
    "9" * 5000,
    "-" + "9" * 4300,
    "0." + "3" * 9000,
    "12345678901234567.89",
    "9223372036854775808",
    "1e308",
    "5e-324",
    "-0.0",
    "null",
    "true",
    "undefined",
    "",
    "{",
    "]",
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"\\ud83d\\ude00"',
    '"\\u0000"',
    '"a\\u0000b"',
    '"\x01"',
    '"\udcff"',
    '"',
    '"\\x"',
    '".."',
    '"."',
    '"/../x"',
    '"%2e%2e"',
    '"a\\r\\nX: 1"',
    '"\u202e\U000e0041"',
    '"' + "x" * 70_000 + '"',
    "'a'",
    '"\u2028"',
    '"\ufeff"',
    "[" * 99 + "]" * 99,
    "[" * 101 + "]" * 101,
    "[" * 5000,
    '{"a":' * 120 + "1" + "}" * 120,
    '{"a":1,"a":2}',
    '{"":{}}',
    '"2026-02-30"',
    '"9999-12-31T23:59:59-14:00"',
    "[1,]",
    "[NaN]",
    '{"a":[{"b":NaN}]}',
    "/* */1",
    "1 2",
]
NAMES = ("s", "n", "i", "l", "t", "body", "s", "n", "__proto__", "\udcff", "a\\u0000")


def value(random: Random, depth: int = 0) -> str:
    """Return a text that is meant as JSON, or nearly is."""
    choice = random.random()
    if choice < 0.55 or depth > 3:
        return random.choice(ODD)
    if choice < 0.75:
        return random.choice(["1", "1.5", "true", '"a"', '"ü"', '"2026-01-01T00:00:00Z"', "[1,2]", "{}", "[]"])
    if choice < 0.87:
        return f"[{','.join(value(random, depth + 1) for _ in range(random.randrange(4)))}]"
    return f"{{{','.join(member(random, depth + 1) for _ in range(random.randrange(4)))}}}"


def member(random: Random, depth: int = 0) -> str:
    return f'"{random.choice(NAMES)}": {value(random, depth)}'


FIT = {
    "s": [
        '"a"',
        '"ü\\ud83d\\ude00"',
        '"\u202e\U000e0041"',
        '"a\\u0000b"',
        '"%2e%2e"',
        '"\u2028"',
        '"' + "x" * 70_000 + '"',
    ],
    "n": ["9" * 30, "9" * 4300, "12345678901234567.89", "1e308", "5e-324", "-0.0", "0." + "3" * 9000],
    "i": ["1", "9007199254740993", "9223372036854775807", "9223372036854775808", "9" * 4300],
    "l": ["[]", "[1, 2.5]", f"[{'9' * 30}]", "[0.30000000000000004]"],
    "t": ['"2026-01-01T00:00:00Z"', '"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59"', "null"],
    "body": ["9" * 30, "[" * 90 + "]" * 90, '{"a": 12345678901234567.89}', '"\\u0000"', "null"],
}
"""Values that some connector takes, at the edge of what it takes."""


def arguments(random: Random) -> str:
    """Return what a caller sends; every other time, nearly all of it fits."""
    if random.random() < 0.5:
        names = ["s", *random.sample([*FIT], 3)]
        fitting = {name: random.choice(FIT[name]) for name in names}
        if random.random() < 0.2:
            fitting[random.choice(names)] = value(random)
        members = [f'"{name}": {text}' for name, text in fitting.items()]
        return f"{{{', '.join(members)}}}"
    return f"{{{', '.join(member(random) for _ in range(random.randrange(1, 5)))}}}"


def raw(text: str) -> bytes:
    """Return bytes; what stands for a lone byte becomes one, so that some texts are no UTF-8."""
    return text.encode(errors="surrogateescape")


def document(folder: Path, port: int, postgres_server: str) -> dict[str, Any]:
    place = postgresql_place(postgres_server)
    found = with_api(folder, port)
    parameters = {
        "s": {"type": "string"},
        "n": {"type": "number", "nullable": True},
        "i": {"type": "integer", "nullable": True},
        "l": {"type": "array", "items": "number", "nullable": True},
        "t": {"type": "timestamp", "nullable": True},
    }
    columns = ", ".join(f":{name} AS {name}" for name in parameters)
    api = {"type": "http", "connector": "api", "method": "POST", "path": "/x/{s}", "body": {}}
    query = {"n": "{n}", "i": "{i}", "l": "{l}"}
    found["connectors"]["api"]["rate_limit"] = 10_000
    found["connectors"]["other"] = place.raw
    found["datasources"]["other"] = {"type": "database", "connector": "other", "classification": "internal"}
    found["templates"] = {
        "lite": {"type": "sql", "datasource": "sales", "sql": f"SELECT {columns}", "parameters": parameters},
        "pg": {"type": "sql", "datasource": "other", "sql": f"SELECT {columns}", "parameters": parameters},
        "api": {**api, "query": query, "headers": {"X-T": "{t}"}, "parameters": parameters},
    }
    found["planes"] = {
        "desk": {"datasources": ["sales"], "actions": {"query": "template/lite"}},
        "warehouse": {"datasources": ["other"], "actions": {"query": "template/pg"}},
    }
    found["policies"]["read"]["targets"]["names"].append("plane/*")
    found["limits"] = {name: {"target": f"template/{name}", "concurrent": 1} for name in TOOLS}
    return found


def message(name: str, text: str, id: object, *, is_modern: bool) -> str:
    version = (
        '"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}'
    )
    meta = f', "_meta": {{{version}}}' if is_modern else ""
    params = f'{{"name": "{name}", "arguments": {text}{meta}}}'
    return f'{{"jsonrpc": "2.0", "id": {id}, "method": "tools/call", "params": {params}}}'


Send = Callable[[str, str], Any]
"""From a tool and the text of its arguments to what the surface answers; asserts what every answer is."""


def surfaces(server: Served, client: Any, pipe: Callable[[bytes], bytes]) -> dict[str, Send]:
    def post(path: str, text: str, **headers: str) -> Any:
        answer = client.post(path, content=raw(text), headers={"Content-Type": "application/json", **headers})
        return answer, strict_json.read(answer.content)

    def http(path: str, text: str) -> Any:
        answer, told = post(path, f'{{"arguments": {text}}}')
        assert answer.status_code in {200, 400, 422, 502}, answer.text
        assert answer.status_code == 400 or told.get("evidence_id") or told["code"] == "invalid-values"
        return told

    def mcp(tool: str, text: str, *, is_modern: bool) -> Any:
        headers = (
            {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": tool} if is_modern else {}
        )
        answer, told = post("/mcp", message(tool, text, 1, is_modern=is_modern), **MCP_HEADERS, **headers)
        assert answer.status_code in {200, 400}, answer.text
        return checked(told)

    def stdio(tool: str, text: str) -> Any:
        return checked(strict_json.read(pipe(raw(message(tool, text, 1, is_modern=False)))))

    def checked(told: Any) -> Any:
        assert told.get("error", {}).get("code") != -32603, told
        content = told.get("result", {}).get("structuredContent", {})
        assert "error" in told or content.get("evidence_id")
        assert content.get("code") not in {"internal-error", "limit-exceeded"}
        return told

    return {
        "http": lambda tool, text: http(f"/v1/tools/{tool}/call", text),
        "plane": lambda tool, text: http(f"/v1/planes/{PLANES[tool]}", text) if tool != "api" else None,
        "mcp": lambda tool, text: mcp(tool, text, is_modern=True),
        "mcp, handshake": lambda tool, text: mcp(tool, text, is_modern=False),
        "stdio": stdio,
    }


@contextmanager
def stdio_server(folder: Path, db: Db) -> Iterator[Callable[[bytes], bytes]]:
    """Send a line, and return the line that comes back."""
    env = command_environment(
        {"PYTHONPATH": str(ROOT), "RECONCILER_DATABASE_URL": db.url, "RECONCILER_PROJECT": "shop"}
    )
    command = ["serve", "--config", "serve.yaml", "--stdio", "acme/bot", "--store", f"sqlite:///{folder}/runtime.db"]
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", *command],
        cwd=folder,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    sent, found = process.stdin, process.stdout

    def pipe(line: bytes) -> bytes:
        sent.write(line.replace(b"\n", b" ") + b"\n")
        sent.flush()
        return found.readline()

    try:
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        pipe(json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": client}).encode())
        sent.write(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
        yield pipe
    finally:
        sent.close()
        process.wait(20)
        found.close()


EACH = 12
"""Calls of one tool over one surface."""


@pytest.mark.parametrize("seed", [1, 2])
def test_hostile_values(tmp_path: Path, folder: Path, postgres_server: str, seed: int) -> None:
    random, db = Random(seed), Db(f"sqlite:///{tmp_path}/state.db")
    with upstream() as (api, port), served(folder, db, document(folder, port, postgres_server)) as server:
        with server.client() as client, stdio_server(folder, db) as pipe:
            for name, send in surfaces(server, client, pipe).items():
                for tool in [*TOOLS] * EACH:
                    api.status, api.answers = random.choice([200, 200, 200, 404, 503]), raw(value(random))
                    text = arguments(random)
                    try:
                        send(tool, text)
                    except Exception as error:
                        raise AssertionError(f"{name} {tool} {text[:300]} <- {api.answers[:300]!r}") from error
        evidence = server.operator("/v1/tenants/acme/evidence?limit=200", OPERATOR).json()["evidence"]
        came_to = Counter(one["outcome"] for one in evidence if one["decision"] == "allow")
        assert came_to.keys() <= {"success", "failure", "unknown"}
        assert min(came_to["success"], came_to["unknown"]) > 0, came_to  # not everything was refused at the door
        assert "Traceback" not in server.log.read_text()

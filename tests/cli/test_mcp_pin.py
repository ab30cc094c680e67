"""`mcp pin` against real servers of the official SDK, over both transports."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.conftest import ROOT, Ran, reconciler
from tests.runtime.test_checks import Server as TokenServer
from tests.runtime.test_checks import serving

SERVER = str(ROOT / "tests" / "runtime" / "mcp" / "listing.py")
BASE: dict[str, Any] = {
    "name": "add",
    "title": "Add",
    "description": "Adds two numbers.\nReturns their sum.\n",
    "inputSchema": {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 0}, "b": {"type": "integer"}},
        "required": ["a"],
    },
    "annotations": {"readOnlyHint": True, "title": "x"},
}


class Served(NamedTuple):
    """A running server, and the file that says what it lists."""

    file: Path
    port: int

    def lists(self, *tools: dict[str, Any]) -> None:
        self.file.write_text(json.dumps(tools))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    file = tmp_path_factory.mktemp("listing") / "tools.json"
    file.write_text("[]")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, SERVER, str(file), str(port)], stdout=-3, stderr=-3)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None
            os.sched_yield()
            signal.sigtimedwait([], 0.1)
        yield Served(file, port)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def served(running: Served) -> Served:
    running.lists(BASE)
    return running


def project(
    folder: Path, served: Served, stdio: bool = False, tools: str = "{add: {risk: low}}", head: str = "tenant: acme"
) -> Path:
    """A project with one connector to the server, and the settings that permit it."""
    reach = (
        "transport: stdio, command: demo"
        if stdio
        else f"transport: streamable_http, url: '{served.url}', network_exceptions: [{{cidr: 127.0.0.0/8, port: {served.port}}}]"
    )
    permit = f"    demo: {{command: {sys.executable}, args: [{SERVER}, {served.file}, stdio]}}\n"
    write(folder / "reconciler.yaml", "version: 1\n")
    write(folder / "serve.yaml", f"version: 1\npermits:\n  networks: [127.0.0.0/8]\n  stdio:\n{permit}")
    write(folder / "c.yaml", f"version: 1\n{head}\nconnectors:\n  calc: {{type: mcp, {reach}, tools: {tools}}}\n")
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def pin(folder: Path, *arguments: str) -> Ran:
    return reconciler("mcp", "pin", *arguments, cwd=folder, timeout=120)


def behind_oauth(folder: Path, served: Served, tokens: int, grant: str) -> Path:
    """The project, with access tokens of a server of tokens before its MCP server."""
    project(folder, served)
    document = yaml.safe_load((folder / "c.yaml").read_text())
    calc = document["connectors"]["calc"]
    calc["network_exceptions"].append({"cidr": "127.0.0.0/8", "port": tokens})
    calc["auth"] = {
        "type": "oauth2",
        "grant": grant,
        "client_id": "bot",
        "client_secret": "env://CLIENT_SECRET",
        "token_url": f"http://127.0.0.1:{tokens}/token",
    }
    write(folder / "c.yaml", yaml.safe_dump(document))
    settings = yaml.safe_load((folder / "serve.yaml").read_text())
    settings["permits"]["env"] = ["CLIENT_SECRET"]
    write(folder / "serve.yaml", yaml.safe_dump(settings))
    return folder


@pytest.mark.parametrize("grant", ["client_credentials", "token_exchange"])
def test_a_server_behind_oauth_is_asked_with_a_token(tmp_path: Path, served: Served, grant: str) -> None:
    """Where tokens are users', it is that of whoever pins; without one an error says what to name."""
    with serving(TokenServer()) as tokens:
        folder = behind_oauth(tmp_path, served, tokens.port, grant)
        environment = {"CLIENT_SECRET": "s3cret"}

        def pinned(**more: str) -> Ran:
            return reconciler("mcp", "pin", cwd=folder, timeout=120, env={**environment, **more})

        if grant != "client_credentials":
            refused = pinned().ok(1)
            assert "[token-refused]" in refused.err
            assert "RECONCILER_SUBJECT_TOKEN" in refused.err
            assert tokens.fetched == 0
            environment["RECONCILER_SUBJECT_TOKEN"] = "a.users.token"
        assert "+ add is new" in pinned().ok().out
        assert tokens.fetched == 1


@pytest.mark.parametrize("stdio", [False, True])
def test_pins_are_printed_written_and_checked(tmp_path: Path, served: Served, stdio: bool) -> None:
    folder = project(tmp_path, served, stdio)
    lock = folder / "mcp.lock/calc.yaml"
    shown = pin(folder).ok()
    assert "+ add is new" in shown.out
    assert not lock.exists(), "without --write nothing is written"
    pin(folder, "--check").ok(2)
    pin(folder, "--write").ok()
    text = lock.read_text()
    assert text.startswith(
        "# Written by `reconciler mcp pin`; edit nothing here\nversion: 1\nmcp_lock:\n  calc:\n  - reached: "
    )
    assert "description: |\n          Adds two numbers.\n          Returns their sum.\n" in text
    pin(folder, "--write", "calc").ok()
    assert lock.read_text() == text, "two runs give the same bytes"
    pin(folder, "--check").ok()
    assert reconciler("validate", cwd=folder).ok().out.startswith("Success!")


def test_what_changes_is_shown_by_line_and_refused_by_check(tmp_path: Path, served: Served) -> None:
    other = {**BASE, "name": "sub"}
    folder = project(tmp_path, served)
    served.lists(BASE, other)
    pin(folder, "--write").ok()
    served.lists(
        {**BASE, "description": "Adds two numbers.\nReturns\u200b their \u202esum.\n"},
        {**BASE, "name": "bad", "inputSchema": {"type": "object", "properties": {"a": {"pattern": "("}}}},
        {**BASE, "name": "new"},
    )
    found = pin(folder, "--check").ok(2).out
    assert "~ add is changed" in found
    assert "-    Returns their sum." in found
    assert "\\u200b" in found
    assert "\u202e" not in found
    for line in ("- sub is gone", "+ new is new", "! bad can't be pinned:"):
        assert line in found
    document = pin(folder, "--format", "json").ok().json
    (server,) = document["locks"][0]["servers"]
    assert (server["new"], server["changed"], server["gone"], [*server["malformed"]]) == (
        ["new"],
        ["add"],
        ["sub"],
        ["bad"],
    )
    pin(folder, "--write").ok()
    text = (folder / "mcp.lock/calc.yaml").read_text()
    assert "\\u200b" in text
    assert "\u202e" not in text
    pin(folder, "--check").ok()


def test_a_server_that_is_away_is_an_error_of_its_connector_alone(tmp_path: Path, served: Served) -> None:
    folder = project(tmp_path, served)
    away = "{type: mcp, transport: streamable_http, url: 'http://127.0.0.1:9/mcp', network_exceptions: [{cidr: 127.0.0.0/8, port: 9}]}"
    other = "{type: mcp, transport: stdio, command: gone}"
    write(folder / "d.yaml", f"version: 1\ntenant: acme\nconnectors: {{away: {away}, gone: {other}}}\n")
    ran = pin(folder, "--write").ok(1)
    assert "acme/connector/away can't be pinned" in ran.err
    assert "acme/connector/gone can't be pinned: the server's operator does not permit this program" in ran.err
    assert "permits.stdio" in ran.err
    assert (folder / "mcp.lock/calc.yaml").exists(), "the others are pinned"
    before = (
        (folder / "mcp.lock/calc.yaml")
        .read_text()
        .replace("calc", "away")
        .replace(served.url, "http://127.0.0.1:9/mcp")
    )
    write(folder / "mcp.lock/away.yaml", before)
    pin(folder, "--write", "away").ok(1)
    assert (folder / "mcp.lock/away.yaml").read_text() == before, "what nobody could ask keeps its entry"


def test_tenants_with_one_url_share_an_entry_and_a_request(tmp_path: Path, served: Served) -> None:
    tenants = ", ".join(f"t{number}" for number in range(300))
    folder = project(tmp_path, served, head=f"tenants: [{tenants}]")
    pin(folder, "--write").ok()
    assert (folder / "mcp.lock/calc.yaml").read_text().count("reached:") == 1
    assert "300 resources" in reconciler("validate", cwd=folder).ok().out


def test_an_edited_lock_is_refused_and_written_anew(tmp_path: Path, served: Served) -> None:
    folder = project(tmp_path, served)
    pin(folder, "--write").ok()
    lock = folder / "mcp.lock/calc.yaml"
    text = lock.read_text()
    lock.write_text(text.replace("their sum", "everything"))
    for command in (["validate"], ["plan"], ["mcp", "pin", "--check"]):
        ran = reconciler(*command, cwd=folder).ok(8)
        assert "mcp.lock/calc.yaml:10:17" in ran.err
        assert "reconciler mcp pin calc --write" in ran.err
        assert "not-pinned" not in ran.err
    pin(folder, "calc", "--write").ok()
    assert lock.read_text() == text
    reconciler("validate", cwd=folder).ok()


def test_an_edited_lock_stays_while_a_server_of_it_is_away(tmp_path: Path, served: Served) -> None:
    folder = project(tmp_path, served)
    pin(folder, "--write").ok()
    lock = folder / "mcp.lock/calc.yaml"
    lock.write_text(lock.read_text().replace("their sum", "everything"))
    manifest = folder / "c.yaml"
    manifest.write_text(manifest.read_text().replace(f":{served.port}/", ":9/"))
    before = lock.read_text()
    assert "can't be pinned" in pin(folder, "--write").ok(8).err
    assert lock.read_text() == before


def test_a_lock_without_a_connector_goes(tmp_path: Path, served: Served) -> None:
    folder = project(tmp_path, served)
    pin(folder, "--write").ok()
    (folder / "mcp.lock/old.yaml").write_text((folder / "mcp.lock/calc.yaml").read_text().replace("calc", "old"))
    pin(folder, "calc", "--check").ok()
    assert "nothing reaches it any more" in pin(folder, "--check").ok(2).out
    pin(folder, "--write").ok()
    assert [one.name for one in (folder / "mcp.lock").iterdir()] == ["calc.yaml"]


def test_an_unknown_connector_is_an_error(tmp_path: Path, served: Served) -> None:
    assert "calc" in pin(project(tmp_path, served), "cal").ok(64).err


def test_a_changed_lock_is_a_risk_of_the_plan_and_a_guard_stops_it(tmp_path: Path, served: Served) -> None:
    folder = project(tmp_path, served)
    risks = ["tool-changed", "access-widened", "hidden-text", "value-in-header"]
    write(folder / "reconciler.yaml", f"version: 1\nguards: {{refuse: [{', '.join(risks)}]}}\n")
    pin(folder, "--write").ok()
    reconciler("apply", "--auto-approve", cwd=folder).ok()
    changed = deepcopy(BASE)
    changed["description"] = "Adds two numbers.\nReturns\u200b their sum.\n"
    changed["annotations"]["readOnlyHint"] = False
    del changed["inputSchema"]["properties"]["a"]["minimum"]
    changed["inputSchema"]["properties"]["b"]["x-mcp-header"] = "B"
    served.lists(changed)
    pin(folder, "--write").ok()
    plan = reconciler("plan", cwd=folder).ok().out
    for risk in risks:
        assert risk in plan
    assert "- Returns their sum." in plan, "a description is compared by line"
    refused = reconciler("apply", "--auto-approve", cwd=folder).ok(6)
    assert "refuse" in refused.err
    served.lists(BASE)
    pin(folder, "--write").ok()
    assert "No changes" in reconciler("plan", cwd=folder).ok().out


def edits() -> Iterator[dict[str, Any]]:
    """Yield 200 definitions, each with one edit of a pinned field."""
    for number in range(40):
        yield {**BASE, "description": BASE["description"].replace(" ", " " * (2 + number), 1)}
        yield {**BASE, "title": f"Add{chr(0x200B)}{number}"}
        one = deepcopy(BASE)
        one["inputSchema"]["properties"]["a"]["minimum"] = -1 - number
        yield one
        one = deepcopy(BASE)
        one["inputSchema"]["properties"][f"c{number}"] = {"type": "string"}
        yield one
        yield {**BASE, "outputSchema": {"type": "object", "properties": {f"r{number}": {}}}}
    return


def test_200_single_edits_are_each_found(tmp_path: Path, served: Served) -> None:
    changed = [*edits()]
    names = [f"tool_{number}" for number in range(len(changed))]
    assert len(changed) == 200
    folder = project(tmp_path, served, tools="{" + ", ".join(f"{name}: {{}}" for name in names) + "}")
    served.lists(*({**BASE, "name": name} for name in names))
    pin(folder, "--write").ok()
    served.lists(*({**one, "name": name} for one, name in zip(changed, names, strict=True)))
    document = pin(folder, "--check", "--format", "json").ok(2).json
    (server,) = document["locks"][0]["servers"]
    assert server["changed"] == sorted(names)

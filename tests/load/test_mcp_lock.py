"""Locks of MCP servers: found beside manifests, checked, and folded into connectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import yaml

from reconciler.errors import ConfigurationInvalid, IntegrityFailed
from reconciler.kinds.connector.mcp_definition import digest_of
from reconciler.kinds.connector.mcp_lock import reached
from reconciler.load.load import load
from reconciler.load.mcp_lock import Locks
from reconciler.load.places import Drafts
from reconciler.model.address import Address
from tests.load.support import HEAD, bodies, loaded, open_project, problems

URL = "https://mcp.example.com/mcp"
INPUT = {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def definition(text: str = "Adds.", **more: Any) -> dict[str, Any]:
    return {"description": text, "input": INPUT, **more}


def lock(*servers: tuple[str, dict[str, Any]], connector: str = "calc") -> str:
    """The text of a lock: for each server what was reached, and the definitions by the tools' names."""
    entries = [
        {
            "reached": url,
            "protocol": "2026-07-28",
            "server": {"name": "calc-server", "version": "1.0"},
            "tools": {name: {"digest": digest_of(name, one), **one} for name, one in tools.items()},
        }
        for url, tools in servers
    ]
    return yaml.encode({"version": 1, "mcp_lock": {connector: entries}}).decode()


ALLOW = "policies: {all: {effect: allow, subjects: any, actions: any, targets: any}}\n"


def connector(url: str = URL, tools: str = "{add: {risk: low}}", name: str = "calc") -> str:
    return f"{HEAD}connectors:\n  {name}:\n    type: mcp\n    transport: streamable_http\n    url: {url}\n    tools: {tools}\n"


def tools(folder: Path, files: dict[str, str], environment: str | None = None, of: str = "calc") -> Any:
    return bodies(loaded(folder, files, environment))[f"acme/connector/{of}"]["tools"]


def test_a_declared_tool_takes_its_definition_and_its_pin(tmp_path: Path) -> None:
    files = {"a/c.yaml": connector(), "a/mcp.lock/calc.yaml": lock((URL, {"add": definition(), "other": definition()}))}
    found = tools(tmp_path, {"reconciler.yaml": "version: 1\n", **files})
    assert [*found] == ["add"], "what a connector does not declare is not added"
    assert found["add"]["pin"] == digest_of("add", definition())
    assert found["add"]["definition"] == definition()
    assert found["add"]["risk"] == "low"


def test_a_lock_counts_beside_the_manifest_and_for_the_server_that_is_reached(tmp_path: Path) -> None:
    other = lock(("https://other.example.com/mcp", {"add": definition()}))
    for name, text in {"a/mcp.lock/calc.yaml": other, "mcp.lock/calc.yaml": lock((URL, {"add": definition()}))}.items():
        found = loaded(tmp_path, {"reconciler.yaml": "version: 1\n", "a/c.yaml": connector() + ALLOW, name: text})
        assert bodies(found)["acme/connector/calc"]["tools"]["add"].get("definition") is None
        (warning,) = found.judgement.warnings
        assert (warning.code, str(warning.place)) == ("not-pinned", "a/c.yaml:8:13")
        assert "reconciler mcp pin calc --write" in (warning.hint or "")


def test_variables_choose_the_entry_and_nothing_is_substituted_in_a_lock(tmp_path: Path) -> None:
    """A description with `${…}` or a reference to a secret in it stays what the server said."""
    text = definition("Calls ${var.stage} with env://HOME.")
    project = "version: 1\nenvironments:\n  dev: {variables: {stage: dev}}\n  prod: {variables: {stage: prod}}\n"
    files = {
        "reconciler.yaml": project,
        "c.yaml": connector("https://${var.stage}.example.com/mcp"),
        "mcp.lock/calc.yaml": lock(
            ("https://dev.example.com/mcp", {"add": definition("new")}), ("https://prod.example.com/mcp", {"add": text})
        ),
    }
    assert tools(tmp_path, files, "prod")["add"]["definition"] == text
    assert tools(tmp_path, files, "dev")["add"]["definition"] == definition("new")


def test_tenants_that_reach_one_server_share_an_entry(tmp_path: Path) -> None:
    head = "version: 1\ntenants: [acme, beta]\n"
    text = connector("https://mcp.example.com/${tenant}").replace(HEAD, head)
    entries = [(f"https://mcp.example.com/{one}", {"add": definition(one)}) for one in ("acme", "beta")]
    found = bodies(
        loaded(tmp_path, {"reconciler.yaml": "version: 1\n", "c.yaml": text, "mcp.lock/calc.yaml": lock(*entries)})
    )
    for tenant in ("acme", "beta"):
        assert found[f"{tenant}/connector/calc"]["tools"]["add"]["definition"] == definition(tenant)


def test_the_lock_of_an_overlay_folder_wins_whole(tmp_path: Path) -> None:
    project = "version: 1\nenvironments:\n  dev:\n  prod: {overlays: [prod]}\n"
    files = {
        "reconciler.yaml": project,
        "c.yaml": connector(tools="{add: {}, sub: {}}"),
        "prod/x.yaml": HEAD + "limits: {m: {target: tenant, per: month, requests: 1}}\n",
        "mcp.lock/calc.yaml": lock((URL, {"add": definition(), "sub": definition()})),
        "prod/mcp.lock/calc.yaml": lock((URL, {"add": definition("in prod")})),
    }
    assert tools(tmp_path, files, "dev")["sub"]["definition"] == definition()
    found = tools(tmp_path, files, "prod")
    assert (found["add"]["definition"], found["sub"].get("definition")) == (definition("in prod"), None)


@pytest.mark.parametrize("is_project", [True, False])
def test_a_changed_lock_shows_at_once_with_a_warm_cache(tmp_path: Path, is_project: bool) -> None:
    files = {"c.yaml": connector()} | ({"reconciler.yaml": "version: 1\n"} if is_project else {})
    for text in ("one", "two", "one"):
        found = tools(tmp_path, files | {"mcp.lock/calc.yaml": lock((URL, {"add": definition(text)}))})
        assert found["add"]["definition"]["description"] == text
    (tmp_path / "mcp.lock/calc.yaml").unlink()
    assert tools(tmp_path, files)["add"].get("definition") is None


def test_an_own_definition_stays_and_an_own_pin_is_kept(tmp_path: Path) -> None:
    own, pin = definition("mine"), digest_of("add", definition("mine"))
    files = {"reconciler.yaml": "version: 1\n", "mcp.lock/calc.yaml": lock((URL, {"add": definition()}))}
    text = yaml.encode({"add": {"definition": own, "pin": pin}}).decode().replace("\n", "\n      ")
    found = tools(tmp_path, files | {"c.yaml": connector(tools=f"\n      {text}")})
    assert found["add"]["definition"] == own
    found = tools(tmp_path, files | {"c.yaml": connector(tools=f'{{add: {{pin: "{pin}"}}}}')})
    assert (found["add"]["pin"], found["add"].get("definition")) == (pin, None)


GOOD = lock((URL, {"add": definition()}))
EDITS = {
    "a description": (GOOD.replace("Adds.", "Deletes."), "lock-edited"),
    "a digest": (GOOD.replace("sha256:", "sha256:0"), "lock-edited"),
    "a schema": (GOOD.replace("type: number", "type: string"), "lock-edited"),
    "a name": (GOOD.replace("add:", "sub:"), "lock-edited"),
    "an addition": (GOOD.replace("protocol:", "more: 1\n    protocol:"), "lock-edited"),
    "another connector": (GOOD.replace("calc:", "other:"), "lock-edited"),
    "a list": ("- a\n", "lock-edited"),
    "nothing": ("", "lock-edited"),
    "two documents": (GOOD + "---\n" + GOOD, "lock-edited"),
    "twice": (lock((URL, {}), (URL, {})), "lock-edited"),
    "a text for tools": (GOOD.replace("tools:", "tools: x\n    other:"), "lock-edited"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_hand_edit_is_an_integrity_error_with_its_place(tmp_path: Path, name: str) -> None:
    text, code = EDITS[name]
    files = {"reconciler.yaml": "version: 1\n", "c.yaml": connector(), "mcp.lock/calc.yaml": text}
    with pytest.raises(IntegrityFailed) as caught:
        loaded(tmp_path, files)
    (problem,) = caught.value.problems
    assert (problem.code, caught.value.exit_code) == (code, 8)
    assert problem.place is not None
    assert problem.place.file == "mcp.lock/calc.yaml"
    assert problem.place.line
    assert "mcp pin calc --write" in (problem.hint or "")


HOSTILE = {
    "deep": "version: 1\nmcp_lock: " + "[" * 100_000,
    "aliases": "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(8)),
    "no YAML": "a: [",
    "not UTF-8": "a: \udcff",
    "huge": "a: " + "x" * (17 * 2**20),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_lock_is_bounded_as_a_manifest_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "mcp.lock").mkdir()
    (tmp_path / "mcp.lock/calc.yaml").write_bytes(HOSTILE[name].encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationInvalid) as caught:
        loaded(tmp_path, {"reconciler.yaml": "version: 1\n", "c.yaml": connector()})
    codes = {one.code for one in caught.value.problems}
    assert codes <= {"too-deep", "too-many-nodes", "yaml-syntax", "not-utf8", "file-too-large"}
    assert codes


def test_a_lock_that_leads_out_of_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/calc.yaml").write_text(GOOD)
    project = tmp_path / "p"
    (project / "mcp.lock").mkdir(parents=True)
    (project / "mcp.lock/calc.yaml").symlink_to(tmp_path / "out/calc.yaml")
    found = problems(project, {"reconciler.yaml": "version: 1\n", "c.yaml": connector()})
    assert found == [("outside-project", "p/mcp.lock/calc.yaml")]


@pytest.mark.parametrize("include", ["", "include: ['**/*.yaml']\n"])
def test_the_folder_of_locks_holds_no_manifests(tmp_path: Path, include: str) -> None:
    files = {"reconciler.yaml": "version: 1\n" + include, "c.yaml": connector(), "mcp.lock/calc.yaml": GOOD}
    found = loaded(tmp_path, files)
    assert {Path(one).name for one in found.configuration.files} == {"c.yaml", "calc.yaml"}, "once each"
    assert [str(one) for one in found.configuration.resources] == ["acme/connector/calc"]


def test_what_was_reached_is_a_url_or_a_whole_command() -> None:
    assert reached({"transport": "streamable_http", "url": URL}) == URL
    assert reached({"transport": "stdio", "command": "git", "args": ["-C", "a b"]}) == "git -C 'a b'"
    for odd in (
        {},
        {"transport": "stdio", "args": ["x"]},
        {"url": 1},
        {"transport": "stdio", "command": "a", "args": [1]},
    ):
        assert reached(odd) == ""


def test_a_project_without_locks_reads_none(tmp_path: Path) -> None:
    loaded(tmp_path, {"reconciler.yaml": "version: 1\n", "c.yaml": connector(tools="{}")})
    assert open_project(tmp_path).overlays(None) == []
    assert Locks().digest("c.yaml") == b""


def test_unpinned_tools_are_counted_without_composing_their_files(tmp_path: Path) -> None:
    """A plan says how many there are; their places, which take reading the files again, are looked for by `validate` alone."""
    head = "version: 1\ntenants: [acme, beta]\n"
    files = {
        "reconciler.yaml": "version: 1\nenvironments:\n  dev: {overlays: [dev]}\n",
        "a.yaml": (connector(tools="{add: {}, sub: {}}") + ALLOW).replace(HEAD, head),
        "b.yaml": connector(tools="{add: {}}", name="other"),
        "dev/x.yaml": HEAD + "connectors: {other: {tools: {more: {}}}}\n",
    }
    found = loaded(tmp_path, files)
    assert [*found.judgement.unpinned.tools] == [
        (Address("acme", "connector", "calc"), "add"),
        (Address("acme", "connector", "calc"), "sub"),
        (Address("acme", "connector", "other"), "add"),
    ]
    places = ["a.yaml:8:13", "a.yaml:8:22", "b.yaml:8:13"]
    assert [str(one.place) for one in found.judgement.warnings] == places
    quick = load(open_project(tmp_path), None)
    assert isinstance(quick.drafts, Drafts)
    assert (len(quick.judgement.unpinned), quick.drafts.composed) == (3, 0)
    assert len(quick.judgement.warnings) == 3
    assert quick.drafts.composed == 2
    overlaid = loaded(tmp_path, files, "dev").judgement
    assert [str(one.place) for one in overlaid.warnings] == [*places, "dev/x.yaml:3:30"]
    assert len(overlaid.unpinned) == 4

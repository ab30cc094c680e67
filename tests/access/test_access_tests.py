"""`access test` and `access explain`: what files expect of policies, and what would happen and why."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.conftest import Db, reconciler
from tests.runtime.worlds import WORLD, apply
from tests.store.support import cli_on


def project(folder: Path, tests: dict[str, Any], world: dict[str, Any] | None = None) -> Path:
    (folder / "acme.yaml").write_text(yaml.safe_dump(world or WORLD))
    file = folder / "tests.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "tenant": "acme", "access_tests": tests}, sort_keys=False))
    return file


ALLOWED = {
    "caller": "bot",
    "target": "template/top",
    "arguments": {"region": "eu"},
    "expect": "allow",
    "by": "policy/read",
}


def test_expectations_that_hold(folder: Path) -> None:
    project(
        folder,
        {
            "reads": ALLOWED,
            "surface": {"caller": "bot", "tools": ["add", "top"]},
            "nobody": {"caller": "other", "target": "template/top", "expect": "deny", "optional": True},
            "nothing": {"caller": "other", "tools": [], "optional": True},
            "plane": {"caller": "bot", "target": "plane/desk", "action": "query", "expect": "deny"},
        },
    )
    done = reconciler("access", "test", "tests.yaml", cwd=folder).ok()
    assert "5 tests, 0 failed." in done.out
    assert "ok    reads: allow: a policy allows it, and none denies it (policy/read)" in done.out
    reconciler("validate", cwd=folder).ok()  # the file is a manifest as well, and says nothing there


FAILS: list[tuple[str, dict[str, Any], str]] = [
    ("denied", {"caller": "bot", "target": "template/top", "expect": "deny"}, "expected deny"),
    ("by", {**ALLOWED, "by": "policy/other"}, "expected allow by policy/other"),
    ("more", {"caller": "bot", "tools": ["top"]}, "sees add as well"),
    ("less", {"caller": "bot", "tools": ["add", "top", "more"]}, "does not see more"),
    ("values", {**ALLOWED, "arguments": {"region": "x" * 30, "a": 1}}, "a: there is no such parameter"),
]


@pytest.mark.parametrize(("name", "test", "message"), FAILS)
def test_expectations_that_do_not(folder: Path, name: str, test: dict[str, Any], message: str) -> None:
    project(folder, {name: test})
    done = reconciler("access", "test", "tests.yaml", cwd=folder).ok(1)
    assert f"FAILED {name} (tests.yaml:4:3)" in done.out
    assert message in done.out
    document = reconciler("access", "test", "tests.yaml", "--format", "json", cwd=folder).ok(1).json
    assert [(one["name"], one["passed"], one["line"]) for one in document["tests"]] == [(name, False, 4)]
    tree = ElementTree.fromstring(reconciler("access", "test", "tests.yaml", "--format", "junit", cwd=folder).ok(1).out)
    assert (tree.get("tests"), tree.get("failures")) == ("1", "1")
    failure = tree.find(".//testcase/failure")
    assert failure is not None
    assert message in str(failure.get("message"))


@pytest.mark.parametrize(
    ("test", "code"),
    [
        ({"caller": "bot"}, "missing-field"),
        ({"caller": "bot", "target": "template/top"}, "missing-field"),
        ({"caller": "bot", "tools": [], "expect": "allow"}, "conflicting-fields"),
        ({"caller": "bot", "target": "template/top", "expect": "maybe"}, "invalid-choice"),
        ({"caller": "bot", "target": "template/top", "expect": "allow", "more": 1}, "unknown-field"),
    ],
)
def test_files_that_are_wrong(folder: Path, test: dict[str, Any], code: str) -> None:
    project(folder, {"wrong": test})
    assert f"[{code}]" in reconciler("access", "test", "tests.yaml", cwd=folder).ok(3).err


def test_a_file_without_tests_is_no_success(folder: Path) -> None:
    project(folder, {})
    (folder / "empty.yaml").write_text("version: 1\ntenant: acme\n")
    assert "hold no `access_tests`" in reconciler("access", "test", "empty.yaml", cwd=folder).ok(64).err


def test_explain_by_files_and_by_what_is_live(db: Db, folder: Path) -> None:
    run = cli_on(db.url, folder)
    apply(db, folder, WORLD)
    asked = ("access", "explain", "acme/template/top", "--caller", "bot")
    for more in ((), ("--offline",)):
        told = run(*asked, *more).ok().out
        assert "bot is allowed to query template/top: a policy allows it, and none denies it." in told
        assert "decided by:      policy/read" in told
        assert "classification:  internal" in told
    by_hand = '{"effect": "deny", "subjects": "any", "actions": "any", "targets": "any"}'
    db.sql(f"INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', 'policy', 'stop', '{by_hand}')")
    assert run(*asked, "--offline", "--format", "json").ok().json["decision"] == "allow"
    told = run(*asked, "--format", "json").ok().json
    assert (told["decision"], told["reason"], told["policy"]) == ("deny", "denied", "policy/stop")
    for short in (
        ("template/top", "--caller", "bot"),
        ("template/top", "--caller", "acme/bot"),
        ("template/top", "--tenant", "acme", "--caller", "bot"),
    ):
        assert run("access", "explain", *short, "--format", "json").ok().json["policy"] == "policy/stop"
    assert "names no target" in run("access", "explain", "top", "--caller", "bot").ok(64).err
    more = {**WORLD, "tenant": "globex"}
    (folder / "globex.yaml").write_text(yaml.safe_dump(more))
    run("apply", "--auto-approve").ok()
    assert "names no target" in run("access", "explain", "template/top", "--caller", "bot").ok(64).err
    assert "there is no such target" in run("access", "explain", "acme/template/no", "--caller", "bot").ok().out


@pytest.mark.parametrize(
    "frozen",
    [
        "platform",
        "tenant/acme",
        "acme/caller/bot",
        "acme/connector/warehouse",
        "acme/tool/top",
        "acme/datasource/sales",
    ],
)
def test_explain_tells_of_freezes(db: Db, folder: Path, frozen: str) -> None:
    run = cli_on(db.url, folder)
    apply(db, folder, WORLD)
    run("freeze", frozen, "--reason", "incident 7").ok()
    asked = ("access", "explain", "acme/template/top", "--caller", "bot")
    told = run(*asked).ok().out
    assert told.startswith(f"bot is denied to query template/top: {frozen} is frozen since ")
    assert "by tester: incident 7." in told
    document = run(*asked, "--format", "json").ok().json
    assert (document["decision"], document["reason"], document["policy"]) == ("deny", "frozen", frozen)
    assert document["status"] == "live"
    offline = run(*asked, "--offline").ok().out
    assert "bot is allowed" in offline
    assert "not looked at:   freezes and suspensions" in offline
    run("unfreeze", frozen, "--reason", "over").ok()
    assert "bot is allowed" in run(*asked).ok().out


def test_explain_tells_of_a_frozen_key(db: Db, folder: Path) -> None:
    run = cli_on(db.url, folder)
    apply(db, folder, WORLD)
    key = run("keys", "issue", "acme/bot").ok().out.split("_")[1]
    run("freeze", f"key/{key}", "--reason", "leaked").ok()
    asked = ("access", "explain", "acme/template/top", "--caller", "bot")
    assert "bot is allowed" in run(*asked).ok().out
    assert "leaked" in run(*asked, "--key", key).ok().out
    run("unfreeze", f"key/{key}", "--reason", "over").ok()
    assert "bot is allowed" in run(*asked, "--key", key).ok().out
    assert "this key does not prove that caller" in run(*asked, "--key", "00ff").ok().out
    run("keys", "revoke", "acme/bot", key).ok()
    assert "this key does not prove that caller" in run(*asked, "--key", key).ok().out


def test_explain_tells_of_suspensions_and_of_tools_that_share_a_name(db: Db, folder: Path) -> None:
    run = cli_on(db.url, folder)
    apply(db, folder, WORLD)
    asked = ("access", "explain", "acme/template/top", "--caller", "bot")
    (uid,) = db.sql("SELECT uid FROM resources WHERE name = 'warehouse'")[0]
    db.sql(
        f"INSERT INTO statuses (tenant, uid, suspended_at, suspended_by) VALUES ('acme', '{uid}', CURRENT_TIMESTAMP, 'ada')"
    )
    assert "something behind the target is suspended" in run(*asked).ok().out
    db.sql("DELETE FROM statuses")
    named = "json_set(spec, '$.tool_name', 'a_top')" if db.is_sqlite else "jsonb_set(spec, '{tool_name}', '\"a_top\"')"
    db.sql(f"UPDATE resources SET spec = {named} WHERE kind = 'template'")
    assert "another target claims the name of its tool" in run(*asked).ok().out


def test_explain_tells_of_claims(db: Db, folder: Path) -> None:
    """A caller without tokens has no claims; those of a token are not known unless they are given."""
    mine = copy.deepcopy(WORLD)
    mine["templates"]["top"]["parameters"]["region"] = {"type": "string", "from": "claims.region"}
    mine["callers"]["web"] = {"roles": ["analyst"], "auth": {"jwt": {"issuer": "corp", "claims": {"azp": "web"}}}}
    run = cli_on(db.url, folder)
    apply(db, folder, mine)
    asked = ("access", "explain", "acme/template/top", "--caller")
    assert "bot is denied to query template/top: the caller's token lacks a claim" in run(*asked, "bot").ok().out
    told = run(*asked, "web").ok().out
    assert "web is allowed" in told
    assert "needs claims:    region" in told
    assert "needs claims" not in run(*asked, "web", "--claim", "region=eu").ok().out
    assert "web is denied" in run(*asked, "web", "--claim", "area=eu").ok().out


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"caller": "bott"}, "did you mean `bot`?"),
        ({"target": "template/topp"}, "did you mean `template/top`?"),
        ({"roles": ["nobodys-role"]}, "optional: true"),
    ],
)
def test_a_test_of_what_is_not_there_is_an_error(folder: Path, change: dict[str, Any], hint: str) -> None:
    """It would expect a denial, and get one, for ever."""
    test = {"caller": "bot", "target": "template/top", "expect": "deny", **change}
    project(folder, {"typo": test})
    done = reconciler("access", "test", "tests.yaml", cwd=folder).ok(3)
    assert ("[matches-nothing]" in done.err, "tests.yaml:" in done.err, hint in done.err) == (True, True, True)
    project(folder, {"typo": {**test, "optional": True}})
    assert reconciler("access", "test", "tests.yaml", cwd=folder).code in {0, 1}


@pytest.mark.parametrize(
    "change",
    [
        {"target": "plane/desk", "action": "write"},
        {"target": "plane/desk"},
        {"target": "datasource/sales"},
        {"target": "connector/warehouse", "action": "query"},
    ],
)
def test_a_test_of_what_cannot_be_called_is_an_error(folder: Path, change: dict[str, Any]) -> None:
    """What is there and is not called is denied for ever, as what is not there."""
    test = {"caller": "bot", "expect": "deny", **change}
    project(folder, {"vain": test})
    assert "[matches-nothing]" in reconciler("access", "test", "tests.yaml", cwd=folder).ok(3).err
    project(folder, {"vain": {**test, "optional": True}})
    reconciler("access", "test", "tests.yaml", cwd=folder).ok()


def test_a_test_that_tenants_share_is_about_one_of_them(folder: Path) -> None:
    """What one tenant has is no typing error in a document of several."""
    (folder / "acme.yaml").write_text(yaml.safe_dump(WORLD))
    test = {"caller": "bot", "target": "template/top", "expect": "deny"}
    other = {"version": 1, "tenant": "globex", "connectors": {"own": {"type": "custom"}}}
    (folder / "globex.yaml").write_text(yaml.safe_dump(other))
    shared = {"version": 1, "tenants": ["acme", "globex"], "access_tests": {"one": test}}
    (folder / "tests.yaml").write_text(yaml.safe_dump(shared))
    assert reconciler("access", "test", "tests.yaml", cwd=folder).code == 1
    shared["access_tests"] = {"one": {**test, "caller": "bott"}}
    (folder / "tests.yaml").write_text(yaml.safe_dump(shared))
    assert "[matches-nothing]" in reconciler("access", "test", "tests.yaml", cwd=folder).ok(3).err


def test_a_test_for_another_environment_is_skipped(folder: Path) -> None:
    """Neither passed nor failed: it would expect a denial of something that nobody can ask for here."""
    files = {
        "reconciler.yaml": "version: 1\nproject: p\nenvironments: {dev: {}, prod: {overlays: [prod]}}\n",
        "prod/more.yaml": yaml.safe_dump(
            {"version": 1, "tenant": "acme", "callers": {"late-bot": {"roles": [], "auth": {"api_key": {}}}}}
        ),
    }
    (folder / "prod").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    project(folder, {"late": {"caller": "late-bot", "target": "template/top", "expect": "deny"}})
    done = reconciler("access", "test", "tests.yaml", "--env", "dev", cwd=folder).ok()
    assert "skipped late: there is no caller `late-bot` in acme; it is for the environment prod" in done.out
    assert "1 tests, 0 failed, 1 skipped." in done.out
    document = reconciler("access", "test", "tests.yaml", "--env", "dev", "--format", "json", cwd=folder).ok().json
    assert [(one["passed"], one["skipped"]) for one in document["tests"]] == [(None, True)]
    tree = ElementTree.fromstring(
        reconciler("access", "test", "tests.yaml", "--env", "dev", "--format", "junit", cwd=folder).ok().out
    )
    assert tree.find(".//testcase/skipped") is not None
    assert "1 tests, 0 failed." in reconciler("access", "test", "tests.yaml", "--env", "prod", cwd=folder).ok().out
    project(folder, {"late": {"caller": "later-bot", "target": "template/top", "expect": "deny"}})
    assert "[matches-nothing]" in reconciler("access", "test", "tests.yaml", "--env", "dev", cwd=folder).ok(3).err

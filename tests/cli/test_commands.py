"""The commands that look, and what all commands have in common."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from reconciler.cli import COMMANDS
from tests.conftest import BASE, Db, Run, command_environment, reconciler


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_says_what_the_command_says_of_itself(name: str) -> None:
    own = import_module(f"reconciler.cli.{name}").command.help
    assert own.strip().splitlines()[0] == COMMANDS[name]


def test_usage_errors_are_not_drift(tmp_path: Path) -> None:
    for arguments in (("nonsense",), ("plan", "--nonsense"), ("apply", "--lock-timeout", "soon"), ("db",)):
        assert reconciler(*arguments, cwd=tmp_path).code == 64, arguments
    done = reconciler("plan", "--nonsense", "--format", "json", cwd=tmp_path)
    assert done.json["errors"][0]["code"] == "wrong-usage"


def test_list_show_graph(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    listed = run("list", "--format", "json").ok().json["resources"]
    assert [row["address"] for row in listed] == [
        "acme/connector/warehouse",
        "acme/datasource/sales",
        "acme/limit/month",
    ]
    assert {row["project"] for row in listed} == {"shop"}
    assert run("list", "connectors").ok().out.splitlines()[1].startswith("acme/connector/warehouse  shop")
    assert run("list", "conector").ok(64)
    shown = run("show", "acme/connector/warehouse").ok().out
    assert "owned by shop, last changed by tester" in shown
    assert 'dsn                = "vault://kv/acme/warehouse#dsn"' in shown
    assert run("show", "acme/connector/nothing").ok(1)
    assert run("show", "nonsense").ok(64)
    assert "acme/limit/month" in run("show").ok().out
    graph = run("graph", ".", "--format", "json").ok().json
    assert graph["edges"] == [{"from": "acme/datasource/sales", "to": "acme/connector/warehouse", "field": "connector"}]
    assert '"acme/datasource/sales" -> "acme/connector/warehouse"' in run("graph", ".").ok().out


def test_show_a_saved_plan(run: Run, base: Path) -> None:
    planned = run("plan", ".", "--out", "p.plan").ok().out
    assert run("show", "p.plan").ok().out == planned.partition("\nSaved the plan")[0]
    as_json = run("plan", ".", "--format", "json").ok().json
    assert run("show", "p.plan", "--format", "json").ok().json == as_json
    assert as_json["resource_changes"][0]["change"]["actions"] == ["create"]


def test_status_upgrade_backup(run: Run, base: Path, folder: Path, db: Db) -> None:
    state = run("db", "status", "--format", "json").ok().json
    assert (state["state"], state["projects"]) == ("missing" if db.is_sqlite else "empty", [])
    assert "Upgraded" in run("db", "upgrade").ok().out
    assert "already" in run("db", "upgrade").ok().out
    run("apply", ".", "--auto-approve").ok()
    assert "Project:  shop, generation 1, owns 3 resources" in run("db", "status").ok().out
    if db.is_sqlite:
        run("db", "backup", "copy.db").ok()
        run("db", "backup", "copy.db").ok(6)
        assert Db(f"sqlite:///{folder}/copy.db").rows() == db.rows()
    else:
        assert "pg_dump" in run("db", "backup", "copy.db").ok(64).err


def test_init_starts_a_project_that_works(tmp_path: Path) -> None:
    reconciler("init", "My Shop", cwd=tmp_path).ok()
    folder = tmp_path / "My Shop"
    assert ".reconciler/" in (folder / ".gitignore").read_text().splitlines()
    assert "project: my-shop" in (folder / "reconciler.yaml").read_text()
    reconciler("validate", cwd=folder).ok()
    reconciler("apply", "--auto-approve", cwd=folder).ok()
    reconciler("plan", "--detailed-exitcode", cwd=folder).ok(0)
    before = {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".reconciler" not in path.parts
    }
    assert "exists already" in reconciler("init", ".", cwd=folder).ok(6).err
    assert before == {path: path.read_bytes() for path in before}


def test_a_plan_makes_no_database(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BASE)
    assert "(new and empty)" in reconciler("plan", ".", cwd=tmp_path).ok().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.yaml"]


def test_progress_quiet_and_verbose(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BASE)
    slow = {"RECONCILER_FAILPOINT": "after_lock:sleep:1.5"}
    assert reconciler("apply", ".", "--auto-approve", cwd=tmp_path, env=slow).ok().err == "", "no terminal"
    (tmp_path / "a.yaml").write_text(BASE.replace("100", "200"))
    assert reconciler("plan", ".", "-q", cwd=tmp_path).ok().out == "Plan: 0 to add, 1 to change, 0 to destroy.\n"
    assert reconciler("apply", ".", "--auto-approve", "-q", cwd=tmp_path, env=slow).ok().err == ""
    assert re.search(r"Comparing: \d+\.\d+ s", reconciler("plan", ".", "-v", cwd=tmp_path).ok().err)


def on_a_terminal(arguments: list[str], cwd: Path, answer: str, **extra: str) -> tuple[int, str]:
    """Runs the command with a terminal as stdin, stdout and stderr."""
    main, second = pty.openpty()
    env = {**{k: v for k, v in command_environment().items() if k != "NO_COLOR"}, "TERM": "xterm", **extra}
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", *arguments], cwd=cwd, env=env, stdin=second, stdout=second, stderr=second
    )
    os.close(second)
    seen = b""
    sent = False
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
        if b"Enter a value:" in seen and not sent:
            os.write(main, answer.encode() + b"\n")
            sent = True
    os.close(main)
    return process.wait(30), seen.decode()


def test_approval_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BASE)
    code, seen = on_a_terminal(["apply", "."], tmp_path, "y")
    assert code == 6
    assert "approval was declined; nothing was written" in seen
    assert not (tmp_path / ".reconciler").exists()
    code, seen = on_a_terminal(["apply", "."], tmp_path, "yes")
    assert code == 0
    assert "Apply complete! Resources: 3 added" in seen


def test_colour_only_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(BASE)
    assert "\x1b[" in on_a_terminal(["plan", "."], tmp_path, "")[1]
    assert "\x1b[" not in on_a_terminal(["plan", ".", "--no-color"], tmp_path, "")[1]
    assert "\x1b[" not in on_a_terminal(["plan", "."], tmp_path, "", NO_COLOR="1")[1]
    assert "\x1b[" not in on_a_terminal(["plan", "."], tmp_path, "", CI="true")[1]
    assert "\x1b[" not in reconciler("plan", ".", cwd=tmp_path).ok().out


def test_a_reader_who_stops_reading(tmp_path: Path) -> None:
    limits = "".join(f"  l{i}: {{target: tenant, per: day, requests: 1}}\n" for i in range(2000))
    (tmp_path / "a.yaml").write_text(f"version: 1\ntenant: acme\nlimits:\n{limits}")
    command = f"{sys.executable} -m reconciler plan . | head -n 1"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_signed_plans(run: Run, base: Path, folder: Path) -> None:
    run("secrets", "keys", "create", "--out", "key").ok()
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    run("secrets", "keys", "create", "--out", "key").ok(6)
    run("secrets", "keys", "create", "--out", "other").ok()
    key, other = {"RECONCILER_KEY_FILE": str(folder / "key")}, {"RECONCILER_KEY_FILE": str(folder / "other")}
    run("plan", ".", "--out", "unsigned.plan").ok()
    run("plan", ".", "--out", "signed.plan", env=key).ok()
    run("apply", "unsigned.plan", "--auto-approve", env=key).ok(8)
    run("apply", "signed.plan", "--auto-approve", env=other).ok(8)
    (folder / "key").chmod(0o644)
    run("apply", "signed.plan", "--auto-approve", env=key).ok(6)
    (folder / "key").chmod(0o600)
    run("apply", "signed.plan", "--auto-approve", env=key).ok()


def test_a_damaged_plan(run: Run, base: Path, folder: Path, db: Db) -> None:
    run("plan", ".", "--out", "p.plan").ok()
    text = (folder / "p.plan").read_text()
    (folder / "p.plan").write_text(text.replace('"100"', '"900"'))
    run("apply", "p.plan", "--auto-approve").ok(8)
    (folder / "p.plan").write_text(text[: len(text) // 2])
    run("apply", "p.plan", "--auto-approve").ok(8)
    run("show", "p.plan").ok(8)
    (folder / "p.plan").write_bytes(b"\x00\xff\xfe")
    run("apply", "p.plan", "--auto-approve").ok(8)
    (folder / "p.plan").write_text("[]")
    run("apply", "p.plan", "--auto-approve").ok(8)


def test_failpoints_are_listed(tmp_path: Path) -> None:
    assert reconciler("debug", "failpoints", cwd=tmp_path).ok().out.split() == [
        "before_lock", "after_lock", "before_stmt", "after_stmt", "before_audit", "after_audit", "before_commit",
        "after_commit", "before_plan_rename", "after_plan_rename",
    ]  # fmt: skip
    served = reconciler("debug", "failpoints", "--serve", cwd=tmp_path).ok().out.split()
    assert served == ["after_intent", "after_effect", "before_outcome"]
    wrong = reconciler("validate", cwd=tmp_path, env={"RECONCILER_FAILPOINT": "nowhere:kill"})
    assert "Traceback" not in wrong.text

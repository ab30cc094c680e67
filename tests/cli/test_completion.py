"""Completion, in a real bash, and as the other shells ask for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import BASE, Db, Run, command_environment, reconciler


def complete(cwd: Path, *words: str, database: str = "") -> list[str]:
    """What the shell would offer for the last word."""
    env = {"COMP_WORDS": " ".join(("reconciler", *words)), "COMP_CWORD": str(len(words))}
    asked = {**env, "_RECONCILER_COMPLETE": "bash_complete", "RECONCILER_PROJECT": "shop"}
    if database:
        asked["RECONCILER_DATABASE_URL"] = database
    ran = reconciler(cwd=cwd, env=asked).ok()
    assert ran.err == ""
    return [line.partition(",")[2] for line in ran.out.splitlines() if line]


def test_addresses_tenants_and_names(run: Run, base: Path, folder: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    live = ["acme/connector/warehouse", "acme/datasource/sales", "acme/limit/month"]
    assert complete(folder, "blame", "", database=db.url) == live
    assert complete(folder, "adopt", "acme/d", database=db.url) == live[1:2]
    assert complete(folder, "plan", "--target", "acme/l", database=db.url) == live[2:]
    assert complete(folder, "plan", "--tenant", "a", database=db.url) == ["acme"]
    assert complete(folder, "blame", "'; DROP TABLE resources; --", database=db.url) == []


def test_callers_generations_and_secrets(run: Run, folder: Path, db: Db) -> None:
    (folder / "acme.yaml").write_text(BASE + "callers: {bot: {auth: {api_key: {}}}, clerk: {auth: {api_key: {}}}}\n")
    run("apply", ".", "--auto-approve").ok()
    (folder / "acme.yaml").write_text(BASE)
    run("apply", ".", "--auto-approve", "--allow-deletes", "9").ok()
    run("rollback", "1", "--auto-approve").ok()
    run("secrets", "keys", "create", "--out", "k").ok()
    run("secrets", "set", "acme/openai", stdin="sk-x", env={"RECONCILER_KEY_FILE": str(folder / "k")}).ok()
    assert complete(folder, "keys", "issue", "acme/b", database=db.url) == ["acme/bot"]
    assert complete(folder, "access", "explain", "--caller", "a", database=db.url) == ["acme/bot", "acme/clerk"]
    assert complete(folder, "rollback", "", database=db.url) == ["3", "2", "1"]
    assert complete(folder, "history", "2", database=db.url) == ["2"]
    assert complete(folder, "secrets", "delete", "acme/o", database=db.url) == ["acme/openai"]


def test_without_anything_there_are_no_words_and_no_message(folder: Path) -> None:
    assert complete(folder, "blame", "") == []
    assert not (folder / ".reconciler").exists()
    (folder / "reconciler.yaml").write_text("version: 1\nenvironments: {dev: {}, prod: {}}\n")
    assert complete(folder, "plan", "--env", "") == ["dev", "prod"]
    assert complete(folder, "blame", "") == []
    (folder / "reconciler.yaml").write_text("[broken")
    assert complete(folder, "blame", "") == []
    assert complete(folder, "blame", "", database="postgresql://nobody@127.0.0.1:1/none") == []


def test_fields_to_explain(folder: Path) -> None:
    assert complete(folder, "explain", "lim") == ["limit"]
    assert complete(folder, "explain", "limit.c") == ["limit.cost_usd", "limit.concurrent"]
    assert complete(folder, "explain", "nothing.") == []


def test_in_a_real_bash(folder: Path) -> None:
    (folder / "acme.yaml").write_text(BASE)
    script = (
        'eval "$(reconciler completion bash)"; reconciler apply . --auto-approve >/dev/null; COMP_WORDS=(reconciler show acme/c); '
        'COMP_CWORD=2; _reconciler_completion reconciler; echo "${COMPREPLY[@]}"'
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = command_environment({"PATH": path})
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "acme/connector/warehouse"), done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts(tmp_path: Path, shell: str) -> None:
    assert "_RECONCILER_COMPLETE" in reconciler("completion", shell, cwd=tmp_path).ok().out

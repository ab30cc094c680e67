"""The example `mcp`: its two commands, as its README says, over both revisions of the protocol, and the evidence that they leave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, command_environment
from tests.examples.conftest import schema_problems
from tests.runtime.servers import free_port, wait_for

FOLDER = ROOT / "examples" / "mcp"
REPOSITORY = "/tmp/reconciler-mcp-example"
SERVERS = ("mcp-server-time", "mcp-server-git")
BIN = f"{Path(sys.prefix) / 'bin'}:{Path(pytest.__file__).parents[4] / 'bin'}"


@pytest.mark.skipif(not all(shutil.which(name, path=BIN) for name in SERVERS), reason="its servers are not installed")
def test_two_commands(tmp_path: Path) -> None:
    place, port = tmp_path / "mcp", str(free_port())
    shutil.copytree(FOLDER, place, ignore=shutil.ignore_patterns("data", ".reconciler", "serve.yaml"))
    lock = place / "mcp.lock" / "code.yaml"
    assert REPOSITORY not in lock.read_text()
    for file in ("serve.yaml.in", "agent.py", "acme.yaml", "start.sh"):
        text = (place / file).read_text().replace("8766", port).replace(REPOSITORY, str(tmp_path / "repository"))
        (place / file).write_text(text)
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "reconciler").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reconciler "$@"\n')
    (commands / "reconciler").chmod(0o755)
    environment = command_environment({"PATH": f"{commands}:{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)})
    started = subprocess.Popen(["sh", "start.sh"], cwd=place, env=environment, stdout=-3, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}", started)
        wanted = [line.strip() for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("    ")][
            2:
        ]
        for mode in ("legacy", "2026-07-28"):
            agent = subprocess.run(
                [sys.executable, "agent.py", mode],
                cwd=place,
                env=environment,
                capture_output=True,
                text=True,
                timeout=90,
                check=False,
            )
            assert agent.stdout.splitlines() == wanted, agent.stderr[-2000:]
        evidence = subprocess.run(
            ["reconciler", "evidence", "list", "--store", "sqlite:///.reconciler/runtime.db"],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        assert evidence.count("tool/code/git_create_branch  allow     success") == 2
        assert evidence.count("tool/code/git_create_branch  deny      approval-used") == 2
        assert evidence.count("tool/clock/convert_time      allow     success") == 2
    finally:
        os.killpg(started.pid, signal.SIGTERM)
        started.wait(20)


def test_editors_take_it() -> None:
    assert not schema_problems(FOLDER / "acme.yaml")

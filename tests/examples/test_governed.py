"""The example `governed`: its two commands, as its README says, and the evidence that they leave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, command_environment
from tests.examples.conftest import schema_problems
from tests.runtime.servers import free_port, wait_for

FOLDER = ROOT / "examples" / "governed"


def test_two_commands(tmp_path: Path) -> None:
    place = tmp_path / "governed"
    shutil.copytree(FOLDER, place, ignore=shutil.ignore_patterns("data", ".reconciler"))
    port = str(free_port())
    for name in ("serve.yaml", "agent.py"):
        (place / name).write_text((place / name).read_text().replace("8765", port))
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "reconciler").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reconciler "$@"\n')
    (commands / "reconciler").chmod(0o755)
    (commands / "python").symlink_to(sys.executable)
    path = f"{commands}:{os.environ['PATH']}"
    environment = command_environment({"PATH": path, "PYTHONPATH": str(ROOT)})
    started = subprocess.Popen(
        ["sh", "start.sh"], cwd=place, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        wait_for(f"http://127.0.0.1:{port}", started)
        agent = subprocess.run(
            [sys.executable, "agent.py"],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        told = (FOLDER / "README.md").read_text()
        assert agent.stdout.splitlines() == [
            line.strip() for line in told.splitlines() if line.startswith(("    t", "    sal"))
        ]
        evidence = subprocess.run(
            ["reconciler", "evidence", "list", "--store", "sqlite:///.reconciler/runtime.db"],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        assert "template/top-customers  allow     success" in evidence
        assert "template/salaries       deny      denied" in evidence
    finally:
        os.killpg(started.pid, signal.SIGTERM)
        started.wait(15)


def test_editors_take_it() -> None:
    assert not schema_problems(FOLDER / "acme.yaml")

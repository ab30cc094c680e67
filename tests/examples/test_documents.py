"""The example `documents`: its two commands, as its README says, and the evidence that they leave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT, command_environment
from tests.examples.conftest import schema_problems
from tests.runtime.servers import free_port, wait_for

FOLDER = ROOT / "examples" / "documents"


def test_two_commands(tmp_path: Path) -> None:
    place = tmp_path / "documents"
    shutil.copytree(FOLDER, place, ignore=shutil.ignore_patterns("data", ".reconciler"))
    data = tempfile.mkdtemp(prefix="documents", dir="/tmp")  # short: a socket's path may have 107 characters
    moved = {"8766": str(free_port()), "8768": str(free_port()), "/tmp/reconciler-documents-example": data}
    for name in ("serve.yaml", "agent.py", "acme.yaml", "start.sh"):
        text = (place / name).read_text()
        for old, new in moved.items():
            text = text.replace(old, new)
        (place / name).write_text(text)
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, command in (("reconciler", "-m reconciler"), ("python", "")):
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        (commands / name).chmod(0o755)
    environment = command_environment({"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)})

    def run(*arguments: str) -> str:
        done = subprocess.run(
            arguments, cwd=place, env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    started = subprocess.Popen(
        ["sh", "start.sh"], cwd=place, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        wait_for(f"http://127.0.0.1:{moved['8766']}", started, seconds=60)
        told = (FOLDER / "README.md").read_text().partition("`duplicate` both times):")[2]
        expected = [line.strip() for line in told.splitlines() if line.startswith("    ")]
        assert run(sys.executable, "agent.py").splitlines() == expected
        evidence = run("reconciler", "evidence", "list", "--store", "sqlite:///.reconciler/runtime.db")
        assert evidence.count("template/tell-sales   allow     success") == 2
        assert "template/read-report  allow     blocked" in evidence
        assert "integration/embedder  allow     success" in evidence
    finally:
        os.killpg(started.pid, signal.SIGTERM)
        started.wait(20)
        shutil.rmtree(data, ignore_errors=True)


def test_editors_take_it() -> None:
    assert not schema_problems(FOLDER / "acme.yaml")

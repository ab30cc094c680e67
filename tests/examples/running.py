"""A copy of an example that is served by its own `start.sh`, on ports and in folders of the test's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from tests.conftest import ROOT, command_environment
from tests.runtime.servers import wait_for

Run: TypeAlias = Callable[..., str]
"""Runs a command line in the copy, and returns what it prints."""


@contextmanager
def running(example: Path, tmp_path: Path, moved: Mapping[str, str], port: str, seconds: float = 20) -> Iterator[Run]:
    """Copy an example with some texts replaced, start it, and yield what runs commands in it, once ``port`` answers."""
    place = tmp_path / example.name
    shutil.copytree(example, place, ignore=shutil.ignore_patterns("data", ".reconciler"))
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
        wait_for(f"http://127.0.0.1:{port}", started, seconds=seconds)
        yield run
    finally:
        os.killpg(started.pid, signal.SIGTERM)
        started.wait(20)


def told(example: Path, behind: str) -> list[str]:
    """Return the lines that a README shows behind a text."""
    text = (example / "README.md").read_text().partition(behind)[2]
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]

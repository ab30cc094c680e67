"""The example `models`: its two commands, as its README says, and the evidence and usage that they leave."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.examples.conftest import schema_problems
from tests.examples.running import running, told
from tests.runtime.servers import free_port

FOLDER = ROOT / "examples" / "models"


def test_two_commands(tmp_path: Path) -> None:
    ports = {"8766": str(free_port()), "8767": str(free_port())}
    with running(FOLDER, tmp_path, ports, ports["8766"]) as run:
        expected = told(FOLDER, "refused before anything is sent:")
        assert run(sys.executable, "agent.py").splitlines() == expected
        evidence = run("reconciler", "evidence", "list", "--store", "sqlite:///.reconciler/runtime.db")
        assert evidence.count("route/fast  allow     success") == 3
        assert "deny      content-blocked" in evidence
        assert "deny      limit-unreachable" in evidence
        usage = run("reconciler", "usage", "--store", "sqlite:///.reconciler/runtime.db")
        assert "$0.000027" in usage


def test_editors_take_it() -> None:
    assert not schema_problems(FOLDER / "acme.yaml")

"""The example `documents`: its two commands, as its README says, and the evidence that they leave."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT
from tests.examples.conftest import schema_problems
from tests.examples.running import running, told
from tests.runtime.servers import free_port

FOLDER = ROOT / "examples" / "documents"


def test_two_commands(tmp_path: Path) -> None:
    data = tempfile.mkdtemp(prefix="documents", dir="/tmp")  # short: a socket's path may have 107 characters
    moved = {"8766": str(free_port()), "8768": str(free_port()), "/tmp/reconciler-documents-example": data}
    try:
        with running(FOLDER, tmp_path, moved, moved["8766"], seconds=60) as run:
            assert run(sys.executable, "agent.py").splitlines() == told(FOLDER, "`duplicate` both times):")
            evidence = run("reconciler", "evidence", "list", "--store", "sqlite:///.reconciler/runtime.db")
            assert evidence.count("template/tell-sales   allow     success") == 2
            assert "template/read-report  allow     blocked" in evidence
            assert "integration/embedder  allow     success" in evidence
    finally:
        shutil.rmtree(data, ignore_errors=True)


def test_editors_take_it() -> None:
    assert not schema_problems(FOLDER / "acme.yaml")

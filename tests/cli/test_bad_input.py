"""Whatever people write, ``validate`` says what is wrong and where, at once, and never repeats what may be a secret.

The tables are in ``tests/load/bad``. Every case runs here with both formats; a few of them, and all bombs, as real
processes whose time and memory are measured.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reconciler.cli import run as run_command
from tests.conftest import ROOT, command_environment
from tests.load.bad import manifest, project, resources, syntax
from tests.load.bad.case import CANARY, Case, Found

SECONDS = 8.0
MEGABYTES = 300
TABLES = {
    "syntax": syntax.SYNTAX,
    "meaning": syntax.MEANING,
    "bombs": syntax.BOMBS,
    "documents": manifest.DOCUMENTS,
    "names": manifest.NAMES,
    "references": manifest.REFERENCES,
    "variables": manifest.VARIABLES,
    "entries": manifest.ENTRIES,
    "files": manifest.FILES,
    "fields": resources.FIELDS,
    "secrets": resources.SECRETS,
    "templates": resources.TEMPLATES,
    "settings": project.SETTINGS,
    "project": project.FILES,
    "overlays": project.OVERLAYS,
}
CASES = {f"{table}: {name}": case for table, cases in TABLES.items() for name, case in cases.items()}
PROCESSES = [
    *("bombs: a million open brackets", "bombs: thirty thousand nested maps", "bombs: merge keys"),
    *("bombs: billion laughs", "bombs: values times tenants", "bombs: a very long line", "bombs: many tag directives"),
    *("bombs: a long line with many mistakes", "bombs: many references that lead nowhere", "syntax: binary file"),
    *("files: a pipe that nobody writes", "files: a file of ten gigabytes", "files: a name that is no UTF-8"),
    *("files: several problems in several files", "templates: nested parentheses", "settings: a secret variable"),
]


class Measured(NamedTuple):
    """A finished process, with what it took."""

    code: int
    out: str
    err: str
    seconds: float
    megabytes: float


def measured(arguments: list[str], folder: Path, scratch: Path) -> Measured:
    """Runs ``validate`` in a process of its own; its memory is the peak of its resident set.

    It tells that itself: what the system tells of a child includes the memory of the parent that it was spawned from.
    Its time is that of the processor, since other tests run beside it; a process that waits is killed.
    """
    names, peak = (scratch / "out", scratch / "err"), scratch / "peak"
    with names[0].open("wb") as out, names[1].open("wb") as err:
        process = os.posix_spawn(
            sys.executable,
            [sys.executable, "-c", RUN, str(folder), str(peak), *arguments],
            command_environment({"PYTHONPATH": str(ROOT)}),
            file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, err.fileno(), 2)],
        )
        _, status, usage = os.wait4(process, 0)
    seconds = usage.ru_utime + usage.ru_stime
    out_text, err_text = (name.read_text() for name in names)
    return Measured(os.waitstatus_to_exitcode(status), out_text, err_text, seconds, int(peak.read_text()) / 1024)


RUN = """
import os, signal, sys
signal.alarm(60)
os.chdir(sys.argv[1])
from reconciler.cli import main
try:
    main(sys.argv[3:])
finally:
    with open("/proc/self/status") as status, open(sys.argv[2], "w") as peak:
        peak.write(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""


def reported(text: str) -> list[Found]:
    """The problems of a JSON document."""
    return [(p["code"], p["file"] or "", p["line"], p["column"]) for p in json.loads(text)["errors"]]


def check_text(case: Case, code: int, shown: str) -> None:
    """What people read: every problem, and nothing that must not be there."""
    assert code == case.code, shown
    assert case.says in shown
    assert shown.count("Error: ") >= len(case.expected())
    assert all(f"[{code}]" in shown for code, *_ in case.expected())
    check_clean(shown)


def check_clean(shown: str) -> None:
    assert CANARY not in shown
    assert "Traceback" not in shown
    assert "internal-error" not in shown
    assert "\x1b" not in shown


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working directory."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_there_are_many_kinds() -> None:
    assert len(CASES) >= 250
    assert {*PROCESSES} <= {*CASES}
    assert len({code for case in CASES.values() for code, *_ in case.expected()}) >= 60


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES[name]
    case.write(place)
    start = time.process_time()
    code = run_command(["validate", *case.arguments])
    assert time.process_time() - start < SECONDS
    check_text(case, code, "".join(capsys.readouterr()))
    assert run_command(["validate", *case.arguments, "--format", "json"]) == case.code
    captured = capsys.readouterr()
    assert reported(captured.out) == case.expected()
    check_clean("".join(captured))


@pytest.mark.parametrize("name", PROCESSES)
def test_bad_input_in_a_process(name: str, place: Path, tmp_path: Path) -> None:
    case = CASES[name]
    case.write(place)
    ran = measured(["validate", *case.arguments], place, tmp_path)
    check_text(case, ran.code, ran.out + ran.err)
    assert ran.seconds < SECONDS
    assert ran.megabytes < MEGABYTES


def test_what_nobody_means_goes_to_the_right_stream(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CASES["secrets: a credential"].write(place)
    run_command(["validate", "."])
    assert capsys.readouterr().out == ""
    run_command(["validate", ".", "--format", "json"])
    captured = capsys.readouterr()
    assert json.loads(captured.out)["valid"] is False
    assert "Error" not in captured.err


@pytest.mark.parametrize(
    ("stdin", "expected"),
    [
        (b"", [("no-manifest", "<stdin>", None, None)]),
        (b"# x\n", [("no-manifest", "<stdin>", None, None)]),
        (b"version: 1\ntenant: acme\nx: 1\n", [("unknown-field", "<stdin>", 3, 1)]),
        (b"\xff", [("not-utf8", "<stdin>", 1, 1)]),
    ],
)
def test_standard_input(
    stdin: bytes, expected: Any, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from io import BytesIO, TextIOWrapper

    for arguments in (["-"], ["-", "-"]):
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin)))
        assert run_command(["validate", *arguments, "--format", "json"]) == 3
        assert reported(capsys.readouterr().out) == expected
    monkeypatch.setattr(sys, "stdin", None)
    assert run_command(["validate", "-"]) == 3

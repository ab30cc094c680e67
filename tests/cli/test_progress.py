"""The live line: there while something takes long at a terminal, gone afterwards however it ends, and nowhere else."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.cli.terminal import at_terminal, screen
from tests.conftest import BASE, reconciler

APPLY = ["apply", ".", "--auto-approve"]
SLOW = {"RECONCILER_FAILPOINT": "after_lock:sleep:1.5"}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "a.yaml").write_text(BASE)
    return tmp_path


def test_it_is_there_and_gone(shop: Path) -> None:
    code, seen = at_terminal(APPLY, shop, **SLOW, NO_COLOR="1")
    assert code == 0
    assert "\rApplying 3 changes ... 1 s" in seen
    assert "\x1b" not in seen, "no control sequence, so NO_COLOR holds"
    shown = screen(seen)
    assert not [line for line in shown if "Applying" in line]
    assert shown[-3:] == [
        "Apply complete! Resources: 3 added, 0 changed, 0 destroyed.",
        "Generation 1 of project default.",
        "",
    ]


@pytest.mark.parametrize("setting", [{"CI": "true"}, {"TERM": "dumb"}])
def test_not_where_nobody_looks(shop: Path, setting: dict[str, str]) -> None:
    assert "Applying" not in at_terminal(APPLY, shop, **SLOW, **setting)[1]


def test_not_with_quiet_and_not_in_a_pipe(shop: Path) -> None:
    assert "Applying" not in at_terminal([*APPLY, "-q"], shop, **SLOW)[1]
    (shop / "a.yaml").write_text(BASE.replace("100", "200"))
    assert reconciler(*APPLY, cwd=shop, env=SLOW).ok().err == ""


def test_only_the_result_goes_into_a_file(shop: Path) -> None:
    with (shop / "out").open("wb") as out:
        code, seen = at_terminal([*APPLY, "--format", "json"], shop, stdout=out.fileno(), **SLOW)
    assert code == 0
    assert "Applying" in seen
    assert set(screen(seen)) == {""}
    assert "Applying" not in (shop / "out").read_text()


def test_interrupted(shop: Path) -> None:
    sent: list[int] = []

    def interrupt(process: subprocess.Popen[bytes], seen: str, keyboard: int) -> None:
        if "Applying 3 changes" in seen and not sent:
            sent.append(signal.SIGINT)
            process.send_signal(signal.SIGINT)

    code, seen = at_terminal(APPLY, shop, then=interrupt, RECONCILER_FAILPOINT="after_lock:sleep:120")
    assert code == 130
    assert not [line for line in screen(seen) if "Applying" in line]
    assert screen(seen)[-2:] == ["Interrupted; nothing was written.", ""]


def test_an_error_stands_on_a_line_of_its_own(shop: Path) -> None:
    reconciler(*APPLY, cwd=shop).ok()
    (shop / "a.yaml").write_text(BASE.replace("100", "200"))
    with sqlite3.connect(shop / ".reconciler" / "state.db", isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        code, seen = at_terminal([*APPLY, "--lock-timeout", "3"], shop)
        holder.execute("ROLLBACK")
    assert code == 5
    shown = screen(seen)
    assert "\rApplying 1 changes" in seen
    assert not [line for line in shown if "Applying" in line]
    assert [line for line in shown if line.startswith("Error: ")]
    assert not [line for line in shown if "Error: " in line and not line.startswith("Error: ")]


COUNTING = """
import sys
from reconciler.cli.progress import Progress
progress = Progress(True)
with progress.stage("Reading the configuration"):
    progress.count(30, 120, "files")
    sys.stdin.readline()
    progress.say("Something that somebody waits for.")
    progress.count(120, 120, "files")
    sys.stdin.readline()
print("done")
progress.done()
"""


@pytest.mark.parametrize("width", [40, 80])
def test_counts_as_a_bar(tmp_path: Path, width: int) -> None:
    waited_for = ["30 of 120 files", "120 of 120 files"]

    def type_on(process: subprocess.Popen[bytes], seen: str, keyboard: int) -> None:
        if waited_for and waited_for[0] in seen:
            waited_for.pop(0)
            os.write(keyboard, b"\n")

    code, seen = at_terminal([], tmp_path, width, then=type_on, program=("-c", COUNTING))
    assert code == 0
    assert "30 of 120 files" in seen
    assert max(len(part) for line in seen.split("\n") for part in line.split("\r")) < width
    if width == 80:
        assert "\rReading the configuration [######------------------] 30 of 120 files" in seen
        assert f"\rReading the configuration [{'#' * 24}] 120 of 120 files" in seen
    shown = [line for line in screen(seen) if line]
    assert shown[-1] == "done"
    assert "Something that somebody waits for." in shown
    assert not [line for line in shown if "Reading" in line]

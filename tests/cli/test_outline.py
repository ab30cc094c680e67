"""The help that is printed from the file of outlines is the help that the commands themselves would print."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from reconciler.cli import COMMANDS, cli
from reconciler.cli.debug import outline_text
from reconciler.cli.outline import FILE, outlined
from tests.conftest import ROOT, command_environment, reconciler

MODULES = """
import sys
from reconciler.cli import run
code = run(sys.argv[1:])
import json
print(json.dumps([code, sorted(name for name in sys.modules if name.startswith("reconciler"))]), file=sys.stderr)
"""


def _commands(
    command: click.Command, own: click.Command, parent: click.Context
) -> Iterator[tuple[click.Command, click.Command, click.Context]]:
    yield command, own, parent
    if isinstance(command, click.Group) and isinstance(own, click.Group):
        inside = click.Context(own, info_name=own.name, parent=parent)
        assert [*command.list_commands(inside)] == [*own.list_commands(inside)]
        for name in own.list_commands(inside):
            yield from _commands(command.commands[name], own.commands[name], inside)


def test_the_file_is_made_from_the_commands() -> None:
    root = click.Context(cli, info_name="reconciler")
    assert FILE.read_text() == outline_text(root), "run `reconciler debug reference --out docs/reference`"


@pytest.mark.parametrize("width", [60, 80, 110])
def test_every_help_is_the_commands_own(width: int) -> None:
    root = click.Context(cli, info_name="reconciler", terminal_width=width)
    compared = 0
    for name in COMMANDS:
        own, short = cli.get_command(root, name), outlined(name)
        assert own is not None
        assert short is not None
        for one, other, parent in _commands(short, own, root):
            for each in (one, other):
                each._help_option = None  # click keeps the one of the first context, which may be another test's
            texts = [
                each.get_help(click.Context(each, info_name=other.name, parent=parent, terminal_width=width))
                for each in (one, other)
            ]
            assert texts[0] == texts[1]
            compared += 1
    assert compared > 70


@pytest.mark.parametrize("words", [["plan", "--help"], ["db", "upgrade", "-h"], ["secrets", "keys", "--help"], []])
def test_help_imports_nothing_of_the_program(words: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", MODULES, *words],
        cwd=ROOT,
        env=command_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout.startswith("Usage: reconciler")
    code, modules = json.loads(ran.stderr)
    assert code == 0
    allowed = {"errors", "codes", "error_codes", "committed", "patterns"}
    assert {one for one in modules if not one.startswith("reconciler.cli")} <= {
        "reconciler",
        *(f"reconciler.{one}" for one in allowed),
    }
    assert len(modules) <= 12, modules


def test_a_word_that_looks_like_help_is_a_word(tmp_path: Path) -> None:
    ran = reconciler("graph", "--", "-h", cwd=tmp_path).ok(3)
    assert "Usage:" not in ran.out
    assert "-h" in ran.err

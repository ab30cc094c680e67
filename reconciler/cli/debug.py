"""``debug``: what tests of this tool, and of pipelines around it, need."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from reconciler.cli.outline import FILE, outline_of
from reconciler.failpoints import NAMES, SERVE_NAMES
from reconciler.files import make_folder, write_atomically

if TYPE_CHECKING:
    from reconciler.render.reference.commands import CommandFacts

Records = list[tuple[str, str]]


@click.group("debug", hidden=True)
def command() -> None:
    """For tests."""


@command.command("failpoints")
@click.option("--serve", is_flag=True, help="Those of a call that serve mediates, instead.")
def failpoints_command(serve: bool) -> int:
    """List the names for RECONCILER_FAILPOINT=name:kill|stop|raise|sleep:<s>[:n]."""
    for name in SERVE_NAMES if serve else NAMES:
        click.echo(name)
    return 0


@command.command("reference")
@click.option("--out", required=True, metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.pass_context
def reference_command(context: click.Context, out: Path) -> int:
    """Write the pages of docs/reference, and the outlines that help is printed from; both are made from the code."""
    from reconciler.render.reference.pages import pages

    root = context.find_root()
    common = _records(_at(root, "plan"), lambda option: option.name in COMMON)
    make_folder(out)
    for name, text in pages([*_facts(root, common)], common).items():
        write_atomically(out / name, text)
    write_atomically(FILE, outline_text(root))
    return 0


def outline_text(root: click.Context) -> str:
    """Return the text of the outlines of all commands, as the file has it."""
    assert isinstance(root.command, click.Group)
    names = [*root.command.list_commands(root), "debug"]
    return json.dumps(msgspec.to_builtins({one: outline_of(_at(root, one)) for one in names}), indent=1) + "\n"


COMMON = {"database", "project", "env", "tenants", "targets", "no_color", "verbose", "quiet"}


def _at(parent: click.Context, name: str) -> click.Context:
    assert isinstance(parent.command, click.Group)
    found = parent.command.get_command(parent, name)
    assert found is not None
    return click.Context(found, info_name=name, parent=parent)


def _records(context: click.Context, wanted: Callable[[click.Parameter], bool]) -> Records:
    """Options as the help shows them."""
    options = [one for one in context.command.params if isinstance(one, click.Option) and wanted(one)]
    return [record for option in options if (record := option.get_help_record(context)) is not None]


def _facts(parent: click.Context, common: Records) -> Iterator[CommandFacts]:
    from reconciler.render.reference.commands import CommandFacts

    assert isinstance(parent.command, click.Group)
    for name in parent.command.list_commands(parent):
        context = _at(parent, name)
        if isinstance(context.command, click.Group):
            yield from _facts(context, common)
            continue
        records = _records(context, lambda option: True)
        usage = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
        own = [record for record in records if record not in common]
        takes_common = all(record in records for record in common)
        text = context.command.help or ""
        yield CommandFacts(context.command_path, usage, text, own if takes_common else records, takes_common)

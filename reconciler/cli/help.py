"""``help``: what `--help` prints, by a word that many tools have."""

from __future__ import annotations

import click

from reconciler.cli import HELP


@click.command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(context: click.Context, words: tuple[str, ...]) -> int:
    """Show the help of COMMAND, or of reconciler itself."""
    root = context.find_root()
    root.command.main([*words, "--help"], prog_name=root.info_name, standalone_mode=False, obj=HELP)
    return 0

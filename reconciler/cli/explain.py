"""``explain``: the reference of kinds and fields at the prompt."""

from __future__ import annotations

import sys

import click

from reconciler.cli import complete
from reconciler.cli.options import print_lines
from reconciler.cli.terminal import width_of
from reconciler.render.explain import ROOTS, explain
from reconciler.render.style import Style


@click.command("explain")
@click.argument("path", metavar="KIND[.FIELD]", required=False, shell_complete=complete.explained)
@click.option("--recursive", is_flag=True, help="All fields below it, at any depth.")
def command(path: str | None, recursive: bool) -> int:
    """Say what a kind or a field is, e.g. `reconciler explain connector.http.auth`.

    Without KIND it lists what can be explained.
    """
    if path is None:
        click.echo("\n".join(ROOTS))
        return 0
    print_lines(explain(path, recursive), Style(False, width_of(sys.stdout)))
    return 0

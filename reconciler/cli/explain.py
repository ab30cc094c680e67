"""``explain``: the reference of kinds and fields at the prompt."""

from __future__ import annotations

import click

from reconciler.cli import complete
from reconciler.render.explain import ROOTS, explain


@click.command("explain")
@click.argument("path", metavar="KIND[.FIELD]", required=False, shell_complete=complete.explained)
def command(path: str | None) -> int:
    """Say what a kind or a field is, e.g. `reconciler explain connector.http.auth`.

    Without KIND it lists what can be explained.
    """
    if path is None:
        click.echo("\n".join(ROOTS))
        return 0
    for line in explain(path):
        click.echo(line)
    return 0

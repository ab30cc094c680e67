"""A command for tests."""

from __future__ import annotations

import click

from reconciler.cli.options import common
from reconciler.cli.workspace import Options


@click.command("hello")
@common
def command(options: Options) -> int:
    """Say hello."""
    click.echo("hello")
    return 0

"""``debug``: what tests of this tool, and of pipelines around it, need."""

from __future__ import annotations

import click

from reconciler.failpoints import NAMES


@click.group("debug", hidden=True)
def command() -> None:
    """For tests."""


@command.command("failpoints")
def failpoints_command() -> int:
    """List the names for RECONCILER_FAILPOINT=name:kill|raise|sleep:<s>[:n]."""
    for name in NAMES:
        click.echo(name)
    return 0

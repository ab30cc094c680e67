"""``secrets``: keys that sign plans; what keeps secrets themselves comes with the credentials."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import common, print_json
from reconciler.cli.workspace import Options
from reconciler.secrets.keys import create_keys


@click.group("secrets")
def command() -> None:
    """Keys that sign plans.

    RECONCILER_KEY_FILE or `secrets.keys` in reconciler.yaml names the key file.
    """


@command.group("keys")
def keys() -> None:
    """Make keys."""


@keys.command("create")
@click.option(
    "--out",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The new file, mode 0600.",
)
@common
def create_command(options: Options, out: Path) -> int:
    """Write a new key to FILE. Keep it out of git, and give it to whoever plans and whoever applies."""
    identity = create_keys(out)
    if options.format == "json":
        print_json({"format_version": "1.0", "file": str(out), "key": identity})
    else:
        click.echo(f"Wrote the key {identity} to {out}.\nNext: export RECONCILER_KEY_FILE={out.resolve()}")
    return 0

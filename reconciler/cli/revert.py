"""``revert``: one generation is undone, later ones stay."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli import complete
from reconciler.cli.carry_out import Consent, consenting
from reconciler.cli.options import common
from reconciler.cli.undoing import undo
from reconciler.cli.workspace import Options
from reconciler.history.undo import revert


@click.command("revert")
@click.argument("generation", type=click.IntRange(1), shell_complete=complete.generations)
@click.option(
    "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan for `apply FILE`."
)
@consenting
@common
def command(options: Options, consent: Consent, generation: int, out: Path | None) -> int:
    """Undo what GENERATION did, and only that.

    Stale (exit 4) where a later generation changed the same resources. Shows the plan and asks.
    """
    return undo(options, consent, generation, out, revert, "revert")

"""``rollback``: the managed state of an earlier generation becomes live again."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli import complete
from reconciler.cli.carry_out import Consent, consenting
from reconciler.cli.options import common
from reconciler.cli.undoing import undo
from reconciler.cli.workspace import Options
from reconciler.history.undo import rollback


@click.command("rollback")
@click.argument("generation", type=click.IntRange(0), shell_complete=complete.generations)
@click.option(
    "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan for `apply FILE`."
)
@consenting
@common
def command(options: Options, consent: Consent, generation: int, out: Path | None) -> int:
    """Bring back what was managed at the end of GENERATION.

    Shows the plan, what it undoes, and asks. Uids come back too. The files stay as they are: the next plan says what they
    would undo of this.
    """
    return undo(options, consent, generation, out, rollback, "rollback")

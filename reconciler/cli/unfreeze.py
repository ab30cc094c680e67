"""``unfreeze``: what was frozen, taken into use again."""

from __future__ import annotations

import click

from reconciler.cli.freeze import parse_reason, parse_target, report
from reconciler.cli.options import common_by
from reconciler.cli.secrets.place import place
from reconciler.cli.workspace import Options


@click.command("unfreeze")
@click.argument("target", metavar="TARGET")
@click.option("--reason", metavar="TEXT", required=True, help="Why; it stands in the audit trail.")
@common_by()
def command(options: Options, target: str, reason: str) -> int:
    """Lift the freeze of TARGET.

    TARGET is the name that it has now: `reconciler freeze --list` shows it. A freeze of something above it stays in force.
    """
    from reconciler.store.status import unfreeze

    where = place(options)
    unfreeze(where.database, parse_target(target), parse_reason(reason), where.actor)
    report(options, target, "unfrozen", True)
    return 0

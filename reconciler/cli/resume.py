"""``resume``: a suspended resource, taken into use again."""

from __future__ import annotations

import click

from reconciler.cli import complete
from reconciler.cli.freeze import parse_reason, report
from reconciler.cli.options import common_by
from reconciler.cli.secrets.place import place
from reconciler.cli.suspend import parse_address
from reconciler.cli.workspace import Options


@click.command("resume")
@click.argument("address", metavar="ADDRESS", shell_complete=complete.files_or_addresses)
@click.option("--reason", metavar="TEXT", required=True, help="Why; it stands in the audit trail.")
@common_by()
def command(options: Options, address: str, reason: str) -> int:
    """Lift the suspension of the resource ADDRESS.

    A freeze of it, or of something above it, stays in force.
    """
    from reconciler.store.suspensions import resume

    where = place(options)
    resume(where.database, parse_address(address), parse_reason(reason), where.actor)
    report(options, address, "resumed", True)
    return 0

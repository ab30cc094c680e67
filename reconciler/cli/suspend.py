"""``suspend``: one resource taken out of use until an operator resumes it."""

from __future__ import annotations

import click

from reconciler.cli import complete
from reconciler.cli.freeze import parse_reason, report
from reconciler.cli.options import common_by
from reconciler.cli.secrets.place import place
from reconciler.cli.workspace import Options
from reconciler.errors import UsageError
from reconciler.kinds.table import kinds_that
from reconciler.model.address import Address
from reconciler.model.kind import Ability


@click.command("suspend")
@click.argument("address", metavar="ADDRESS", shell_complete=complete.files_or_addresses)
@click.option("--reason", metavar="TEXT", required=True, help="Why; it stands in the audit trail.")
@common_by()
def command(options: Options, address: str, reason: str) -> int:
    """Take the resource ADDRESS out of use, in force everywhere within a second.

    No apply lifts a suspension, and a rename keeps it; a replacement begins without one. What runs goes on: to cancel it,
    and to wait for no apply, use `reconciler freeze`.
    """
    from reconciler.store.suspensions import suspend

    where = place(options)
    done = suspend(where.database, parse_address(address), parse_reason(reason), where.actor)
    report(options, address, "suspended", done)
    return 0


def parse_address(text: str) -> Address:
    """Return the address of a resource that has a status. Raises UsageError."""
    kinds = kinds_that(Ability.SUSPENDABLE)
    try:
        address = Address.parse(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no address", hint=str(error)) from None
    if address.kind not in kinds:
        raise UsageError(
            f"a {address.kind} can't be suspended", code="invalid-target", hint=f"kinds: {', '.join(kinds)}"
        )
    return address

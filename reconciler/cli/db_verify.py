"""``db verify``: is the database what it has to be, all of it?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click

from reconciler.cli.checkpoints import checkpoint_option, read_checkpoint
from reconciler.cli.options import STORE_VARIABLE, common_by, print_json
from reconciler.cli.trail import trail_of
from reconciler.cli.workspace import Options, Workspace
from reconciler.errors import ReconcilerError
from reconciler.history.checks import Check
from reconciler.store.url import Database

FAILED = 8


@click.command("verify")
@click.option("--store", metavar="URL", help=f"Also check the runtime's own database (also {STORE_VARIABLE}).")
@checkpoint_option
@common_by()
def command(options: Options, store: str | None, checkpoint: Path | None) -> int:
    """Check the whole database, after an upgrade and on a restored backup; exit 8 if a check fails. Writes nothing.

    It compares the schema with its revision, recomputes the audit trail, compares live rows with what was applied, replays
    every project's history, and opens the seals that a known key made. All checks are made, whatever the others find.
    """
    workspace = Workspace(options, ())
    made = []
    from reconciler.cli.serve import store_of

    own = store_of(store, workspace.project.root) if store or os.environ.get(STORE_VARIABLE) else None
    for check in _checks(workspace, own, checkpoint):
        made.append(check)
        if options.format != "json":
            _print(check)
    failed = sum(check.state == "failed" for check in made)
    if options.format == "json":
        print_json(
            {
                "format_version": "1.0",
                "valid": not failed,
                "checks": [
                    {"name": one.name, "state": one.state, "summary": one.summary, "found": one.found, "findings": [*one.findings]}
                    for one in made
                ],
            }
        )  # fmt: skip
    elif failed:
        click.echo(f"{failed} of {len(made)} checks failed.")
    else:
        click.echo("The database holds.")
    return FAILED if failed else 0


def _checks(workspace: Workspace, store: Database | None, checkpoint: Path | None) -> Iterator[Check]:
    from reconciler.history.checks import checks
    from reconciler.model.live import DatabaseState
    from reconciler.store.reading import read_state
    from reconciler.store.schema import require_usable

    environment = workspace.environment(required=True)
    database = workspace.database(environment)
    state = read_state(database)
    require_usable(state, database)
    if state is not DatabaseState.CURRENT:
        raise ReconcilerError(f"{database.display} is {state.value}: there is nothing to check", code="nothing-applied")
    trail = trail_of(workspace)
    point = read_checkpoint(checkpoint, trail.keys, environment)
    yield from checks(database, trail.keys, point, trail.expects_key)
    if store:
        from reconciler.runtime.ledger.checks import check

        yield check(store)


def _print(check: Check) -> None:
    word = "FAILED" if check.state == "failed" else check.state
    found = f"{check.found} found" if check.state == "failed" else check.summary
    click.echo(f"{word:8} {check.name:9} {found}")
    for finding in check.findings:
        click.echo(f"         - {finding}")
    if check.found > len(check.findings):
        click.echo(f"         - and {check.found - len(check.findings)} more")

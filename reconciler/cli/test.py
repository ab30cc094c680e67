"""``test``: one check of an integration or a connector, made now from here."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import complete
from reconciler.cli.known import not_live
from reconciler.cli.options import common_by, print_json
from reconciler.cli.surroundings import opening, project_settings
from reconciler.cli.workspace import Options, Workspace
from reconciler.errors import UsageError
from reconciler.load.project import SERVE_FILE
from reconciler.model.address import Address
from reconciler.model.health import DEGRADED, FAILING, HEALTHY, UNKNOWN, unasked
from reconciler.runtime.extras import not_installed

if TYPE_CHECKING:
    from reconciler.access.resource import Resource
    from reconciler.model.health import Check
    from reconciler.runtime.call import Surroundings

EXITS = {HEALTHY: 0, FAILING: 1, DEGRADED: 2, UNKNOWN: 6}


@click.command("test")
@click.argument("address", metavar="ADDRESS", shell_complete=complete.files_or_addresses)
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The server's own settings, which permit programs and networks; default: {SERVE_FILE} in the project.",
)
@common_by()
def command(options: Options, address: str, config: Path | None) -> int:
    """Check the live integration or connector ADDRESS now, from here.

    The check is the one of the runtime's sweep: a provider's cheapest call, `SELECT 1`, `tools/list`, or a request to
    `base_url`. Exit code: 0 healthy, 1 failing, 2 degraded, 6 if there is nothing to ask. It writes nothing.
    """
    workspace = Workspace(options, ())
    resource = _resource(workspace, address)
    opened = opening(workspace, workspace.environment(required=True), project_settings(workspace, config), "test")
    with options.progress.stage("Testing"):
        found = _checked(resource, opened.around)
    opened.log.write(everything=True)
    state, latency, reason = found
    if options.format == "json":
        print_json(
            {"format_version": "1.0", "address": address, "state": state, "latency_ms": latency, "reason": reason}
        )
    else:
        click.echo(f"{address} is {state}: {reason}{f', {latency} ms' if latency is not None else ''}")
    return EXITS[state]


def _resource(workspace: Workspace, text: str) -> Resource:
    """Return a live resource. Raises UsageError, ReconcilerError (``not-live``)."""
    from reconciler.access.snapshot import snapshot_of
    from reconciler.store.watch import look

    try:
        address = Address.parse(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no address", hint=str(error)) from None
    if address.kind not in {"integration", "connector"}:
        raise UsageError(
            f"a {address.kind} can't be tested", code="invalid-target", hint="kinds: integration, connector"
        )
    database = workspace.database(workspace.environment(required=True))
    world = look(database)
    found = snapshot_of(world.known).tenant(address.tenant).resource(f"{address.kind}/{address.name}")
    if found is None:
        raise not_live(address, database)
    return found


def _checked(resource: Resource, around: Surroundings) -> Check:
    try:
        from reconciler.runtime.checks import check_alone
    except ModuleNotFoundError as error:
        raise not_installed(error) from None
    return asyncio.run(check_alone(resource, around)) or unasked(resource.body)

"""``export``: what is live, as YAML that loads again, or as canonical JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from reconciler.cli.options import common
from reconciler.cli.selecting import require_known
from reconciler.cli.workspace import Options, Workspace
from reconciler.diff.visible import visible, visible_json
from reconciler.errors import Problem, ReconcilerError
from reconciler.kinds.meaning import normal
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body, canonical
from reconciler.model.live import Live
from reconciler.model.spec import Spec
from reconciler.planner.moves import marks_in
from reconciler.render.manifest import authored, manifest

FORMAT_VERSION = "1.0"


@click.command("export")
@click.option("--canonical", "as_canonical", is_flag=True, help="JSON whose bytes depend on the managed state only.")
@click.option("--include-unowned", is_flag=True, help="Also what nobody owns, with `adopt` entries for it.")
@common
def command(options: Options, as_canonical: bool, include_unowned: bool) -> int:
    """Write the live resources that the project owns to stdout.

    The YAML loads again, and the next plan of it is empty. --tenant and --target narrow it. `plan --against FILE` reads the
    canonical form, for plans without a database.
    """
    workspace = Workspace(options, ())
    environment = workspace.environment(required=True)
    database = workspace.database(environment)
    live = workspace.read_live(database, None, every_tenant=include_unowned)
    require_known(options, live.rows, "is not live")
    chosen = [
        address
        for address in sorted(live.rows)
        if (live.owns(address) or (include_unowned and live.owner(address) is None))
        and address.kind in KINDS
        and (not options.tenants or address.tenant in options.tenants)
        and (not options.targets or str(address) in options.targets)
    ]
    if as_canonical or options.format == "json":
        document: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "project": workspace.name,
            "environment": environment,
            "resources": {str(address): normal(live.rows[address]).body for address in chosen},
        }
        noted = {str(a): marks for a in chosen if a in live.applied and (marks := marks_in(live.applied[a]))}
        if noted:
            # which `moved` entries are done: without it, a plan against the export would have to ask
            document["moved"] = noted
        click.echo(visible_json(canonical(document)))
        return 0
    for line in _documents(live, chosen, database.display):  # never wrapped: it is YAML
        click.echo(line)
    return 0


def _documents(live: Live, chosen: list[Address], database: str) -> Iterator[str]:
    specs = {address: _authored(address, live) for address in chosen}
    for number, tenant in enumerate(sorted({address.tenant for address in chosen})):
        own = {address: body for address, body in specs.items() if address.tenant == tenant}
        unowned = tuple(address for address in own if not live.owns(address))
        if number:
            yield "---"
        else:
            yield f"# Exported from {visible(database)}"
        yield from manifest(tenant, own, {address: _origin(address, live) for address in own}, unowned)


def _authored(address: Address, live: Live) -> Body:
    found = normal(live.rows[address])
    # what is not valid is masked, which may make it look valid
    spec = parse(KINDS[address.kind], found.body, address) if found.valid else ()
    if not isinstance(spec, Spec):
        raise ReconcilerError(
            Problem(
                "live-invalid",
                f"{address} can't be exported: what is live is not a valid {address.kind}",
                str(address),
                hint="mend the row, or leave it out with --target",
            )
        )
    return authored(spec)


def _origin(address: Address, live: Live) -> str:
    applied = live.applied.get(address)
    if applied is None or not live.owns(address):
        return ""
    source = f" from {visible(applied.source)}" if applied.source else ""
    return f"generation {applied.generation}{source}"

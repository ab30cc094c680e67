"""``graph``: the references of the configuration, as Graphviz or JSON."""

from __future__ import annotations

import click

from reconciler.cli import complete
from reconciler.cli.options import MANIFESTS, common_with, print_json
from reconciler.cli.selecting import require_known
from reconciler.cli.workspace import Options, Workspace
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address


@click.command("graph")
@click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=complete.files)
@common_with(takes=MANIFESTS)
def command(options: Options, paths: tuple[str, ...]) -> int:
    """Print what refers to what.

    As DOT for Graphviz (`reconciler graph | dot -Tsvg`) or JSON. Needs no database.
    """
    workspace = Workspace(options, paths)
    environment = workspace.environment(required=bool(workspace.environments))
    loaded = workspace.load(environment)
    require_known(options, loaded.configuration.resources, "is not in the configuration")
    resources = {
        address: resource
        for address, resource in loaded.configuration.resources.items()
        if (not options.tenants or address.tenant in options.tenants)
        and (not options.targets or str(address) in options.targets)
        and (loaded.selected is None or address in loaded.selected)
    }
    edges: list[tuple[Address, Address, str]] = sorted(
        (address, reference.address, str(reference.path[0]))
        for address, resource in resources.items()
        for reference in KINDS[address.kind].references_of(address.tenant, resource.body)
    )
    if options.format == "json":
        print_json(
            {
                "format_version": "1.0",
                "nodes": [
                    {"address": str(a), "tenant": a.tenant, "kind": a.kind, "name": a.name} for a in sorted(resources)
                ],
                "edges": [{"from": str(a), "to": str(b), "field": field} for a, b, field in edges],
            }
        )
        return 0
    click.echo("digraph {\n  rankdir = LR\n  node [shape = box]")
    for address in sorted(resources):
        click.echo(f'  "{address}"')
    for start, end, field in edges:
        click.echo(f'  "{start}" -> "{end}" [label = "{field}"]')
    click.echo("}")
    return 0

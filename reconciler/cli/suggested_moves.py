"""``plan --suggest-moves``: renames that no entry names, written into the files that declare the new names."""

from __future__ import annotations

from collections import defaultdict

import click

from reconciler.cli.workspace import Workspace
from reconciler.load.paths import STDIN
from reconciler.load.write_moves import write_moves
from reconciler.model.amount import amount
from reconciler.planner.renames import renames_in


def write_suggested(workspace: Workspace, no_delete: bool) -> None:
    """Write an entry for each rename of the plan, and report the files on stderr."""
    plan, loaded, _database = workspace.plan(no_delete)
    renames = renames_in(plan.changes)
    wanted: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    left = list[str]()
    for one in renames:
        place = loaded.place_of(one.new, ())
        if place is None or place.line is None or place.file == STDIN:
            left.append(one.entry)
        elif one.entry not in wanted[place.file][place.line]:  # one document may be for several tenants
            wanted[place.file][place.line].append(one.entry)
    files, unwritten = write_moves(wanted, workspace.project.root)
    left += unwritten
    written = sum(len(entries) for name in files for entries in wanted[name].values())
    if files:
        click.echo(f"Wrote {amount(written, '`moved` entry', '`moved` entries')} in {', '.join(files)}.", err=True)
    elif not renames:
        click.echo("No deletion and creation have the same body: there is nothing to write.", err=True)
    if left:
        click.echo(f"Not written, add by hand: moved: [{', '.join(left)}]", err=True)

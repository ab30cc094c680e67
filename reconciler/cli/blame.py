"""``blame``: for each field of a live resource, who gave it its value."""

from __future__ import annotations

import click

from reconciler.cli import complete
from reconciler.cli.known import not_live
from reconciler.cli.options import common_by, print_json, print_lines
from reconciler.cli.selecting import parse_address
from reconciler.cli.workspace import Options, Workspace
from reconciler.diff.visible import visible, visible_path, visible_value
from reconciler.history.blame import Blame, blame
from reconciler.kinds.meaning import normal
from reconciler.model.body import dotted
from reconciler.render.width import cells, padded

WIDEST = 60
"""Cells of a column, where what others hold does not need more."""


@click.command("blame")
@click.argument("address", shell_complete=complete.addresses)
@common_by()
def command(options: Options, address: str) -> int:
    """Say for each field which generation, person, commit and line gave it its value.

    Fields that were changed outside since the last apply say so. Renames are followed.
    """
    from reconciler.store.history import read_history
    from reconciler.store.reading import read_resource

    workspace = Workspace(options, ())
    database = workspace.database(workspace.environment(required=True))
    wanted = parse_address(address)
    found = read_resource(database, wanted)
    if found is None:
        raise not_live(wanted, database)
    row, owner, _ = found
    history = read_history(database, owner.project if owner else workspace.name)
    blamed = blame(wanted, row.uid, normal(row).body, row.touch, history)
    if options.format == "json":
        print_json({"format_version": "1.0", "address": str(wanted), "fields": [_field(one) for one in blamed]})
        return 0
    style = options.style
    rows = [
        (visible_path(one.path), style.context(visible_value(one.value), (style.width or 0) - WIDEST), _who(one))
        for one in blamed
    ]
    widths = [min(WIDEST, max(cells(row[column]) for row in rows)) for column in range(2)]
    print_lines((f"{padded(path, widths[0])}  {padded(value, widths[1])}  {who}" for path, value, who in rows), style)
    return 0


def _who(one: Blame) -> str:
    if one.pruned:
        return "older than the history that is kept"
    if one.generation is None:
        return f"outside, by {visible(one.by)} at {visible(one.at)}"
    commit = f", commit {one.commit[:12]}" if one.commit else ""
    source = f", {visible(one.source)}" if one.source else ", a default" if one.default else ""
    return f"generation {one.generation}, by {visible(one.by)} at {one.at}{commit}{source}"


def _field(one: Blame) -> dict[str, object]:
    return {
        "path": list(one.path),
        "field": dotted(one.path),
        "value": one.value,
        "generation": one.generation,
        "pruned": one.pruned,
        "by": one.by,
        "at": one.at,
        "commit": one.commit,
        "source": one.source,
        "default": one.default,
    }

"""``list``: live resources, one a line."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli import complete
from reconciler.cli.options import common, print_json, print_lines
from reconciler.cli.selecting import require_known
from reconciler.cli.workspace import Options, Workspace
from reconciler.errors import UsageError
from reconciler.kinds.nearest import nearest
from reconciler.kinds.table import BY_PLURAL, KINDS
from reconciler.render.table import table

COLUMNS = {"address": "ADDRESS", "project": "PROJECT", "changed_by": "CHANGED BY", "changed_at": "CHANGED AT"}


@click.command("list")
@click.argument("kind", required=False, shell_complete=complete.kinds)
@common
def command(options: Options, kind: str | None) -> int:
    """List what is live.

    Tells address, owner, who changed it last and when, and what is frozen or not well. KIND is singular or plural.
    """
    wanted = kind_named(kind)
    workspace = Workspace(options, ())
    rows = [row for row in rows_of(workspace) if wanted in {None, row["kind"]}]
    show_rows(rows, options)
    return 0


def kind_named(text: str | None) -> str | None:
    """Return the name of a kind, singular or plural; None for none. Raises UsageError."""
    if text is not None and text not in KINDS and text not in BY_PLURAL:
        near = nearest(text, (*KINDS, *BY_PLURAL))
        hint = f"did you mean {near}?" if near else f"kinds are {', '.join(KINDS)}"
        raise UsageError(f"there is no kind {text!r}", code="unknown-kind", hint=hint)
    return BY_PLURAL[text].name if text is not None and text in BY_PLURAL else text


def rows_of(workspace: Workspace, owned_only: bool = False) -> list[dict[str, Any]]:
    """Live resources in key order, narrowed by --tenant and --target."""
    from reconciler.cli.status import words_of
    from reconciler.store.status import read_status

    options = workspace.options
    database = workspace.database(workspace.environment(required=True))
    live = workspace.read_live(database, None, every_tenant=not owned_only)
    status, notes = read_status(database), words_of(database, workspace.project.root) if live.rows else {}
    require_known(options, live.rows, "is not live")
    found = []
    for address in sorted(live.rows):
        row = live.rows[address]
        owner = workspace.name if live.owns(address) else live.owner(address)
        if (
            (owned_only and owner != workspace.name)
            or (options.tenants and address.tenant not in options.tenants)
            or (options.targets and str(address) not in options.targets)
        ):
            continue
        freeze = status.freeze_over(address, row.uid)
        found.append(
            {
                "address": str(address),
                "tenant": address.tenant,
                "kind": address.kind,
                "name": address.name,
                "project": owner,
                "uid": row.uid,
                "changed_by": row.touch.by,
                "changed_at": row.touch.at,
                "frozen": None if freeze is None else freeze.facts(),
                "notes": notes.get((address.tenant, row.uid), []),
            }
        )
    return found


def _frozen(row: dict[str, Any]) -> str:
    freeze = row["frozen"]
    return f"since {freeze['frozen_at']} by {freeze['frozen_by']}: {freeze['reason']}"


def show_rows(rows: list[dict[str, Any]], options: Options) -> None:
    """Print resources as a table or as JSON."""
    if options.format == "json":
        print_json({"format_version": "1.0", "resources": rows})
        return
    frozen = {row["address"]: _frozen(row) for row in rows if row["frozen"]}
    noted = any(row["notes"] for row in rows)
    columns = {**COLUMNS, **({"frozen": "FROZEN"} if frozen else {}), **({"notes": "NOTES"} if noted else {})}
    heads = [*columns.values()] if rows and not options.quiet else []
    lines = [[row[key] or "-" for key in COLUMNS] for row in rows]
    if frozen:
        lines = [[*line, frozen.get(row["address"], "-")] for line, row in zip(lines, rows, strict=True)]
    if noted:
        lines = [[*line, "; ".join(row["notes"]) or "-"] for line, row in zip(lines, rows, strict=True)]
    print_lines(table(heads, lines), options.style)
    if not rows and not options.quiet:
        click.echo("Nothing is live here.", err=True)

"""``show``: a saved plan, one live resource, or what this project owns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from reconciler.cli import complete
from reconciler.cli.known import not_live
from reconciler.cli.options import DATABASE, common_with, print_json, print_lines, refuse_narrowing
from reconciler.cli.plan import show_plan
from reconciler.cli.signing import known_keys
from reconciler.cli.workspace import Options, Workspace
from reconciler.diff.visible import visible, visible_lines, visible_value
from reconciler.errors import UsageError
from reconciler.kinds.lifecycle import switched_off, usable
from reconciler.kinds.meaning import shown_body
from reconciler.kinds.table import can
from reconciler.model.address import Address
from reconciler.model.configuration import Guards
from reconciler.model.kind import Ability
from reconciler.plan.file import read_plan
from reconciler.render.formats import PLAN_FORMATS


@click.command("show")
@click.argument("what", required=False, metavar="[PLANFILE | ADDRESS]", shell_complete=complete.files_or_addresses)
@common_with(*PLAN_FORMATS, takes=DATABASE)
def command(options: Options, what: str | None) -> int:
    """Show a saved plan, a live resource, or all that the project owns."""
    if what is not None:
        refuse_narrowing(options, when=" PLANFILE or ADDRESS")
    if what is not None and Path(what).is_file():
        workspace = Workspace(options, ())
        keys = known_keys(workspace.project)
        show_plan(read_plan(Path(what), keys.by_id if keys else None), options, Guards(), workspace.project.root)
        return 0
    if options.format in PLAN_FORMATS:
        raise UsageError(f"--format {options.format} is for plans", hint="name the file that `plan --out` wrote")
    workspace = Workspace(options, ())
    if what is None:
        from reconciler.cli.list import rows_of, show_rows

        show_rows(rows_of(workspace, owned_only=True), options)
        return 0
    try:
        address = Address.parse(what)
    except ValueError as error:
        raise UsageError(f"{what!r} is no plan file and no address", hint=str(error)) from None
    found = _resource(workspace, address)
    if options.format == "json":
        print_json({"format_version": "1.0", **found})
    else:
        print_lines(_text(found), options.style)
    return 0


def _resource(workspace: Workspace, address: Address) -> dict[str, Any]:
    from reconciler.cli.status import words_of
    from reconciler.store.reading import read_resource
    from reconciler.store.status import read_status

    database = workspace.database(workspace.environment(required=True))
    found = read_resource(database, address)
    if found is None:
        raise not_live(address, database)
    row, owner, status = found
    freeze = read_status(database).freeze_over(address, row.uid)
    document: dict[str, Any] = {
        "address": str(address),
        "uid": row.uid,
        "project": owner.project if owner else None,
        "spec_version": row.spec_version,
        "row_version": row.row_version,
        "changed_by": row.touch.by,
        "changed_at": row.touch.at,
        "frozen": None if freeze is None else freeze.facts(),
        "spec": shown_body(row),
    }
    document["notes"] = words_of(database, workspace.project.root).get((address.tenant, row.uid), [])
    if can(address.kind, Ability.SUSPENDABLE):
        document["status"] = {
            "state": "disabled" if switched_off(document["spec"]) else "enabled",
            "usable": usable(document["spec"], status),
            "suspended_by": status.suspended_by,
            "suspended_reason": status.suspended_reason,
            "error": status.error,
        }
    return document


def _text(found: dict[str, Any]) -> Iterator[str]:
    yield f"# {found['address']}"
    yield f"# owned by {found['project'] or 'nobody'}, last changed by {visible(found['changed_by'])} at {visible(found['changed_at'])}"
    if freeze := found["frozen"]:
        since = f"{freeze['frozen_at']} by {visible(freeze['frozen_by'])}"
        yield f"# {freeze['target']} is frozen since {since}: {visible(freeze['reason'])}"
    for note in found["notes"]:
        yield f"# {visible(note)}"
    if "status" in found:
        status = found["status"]
        suspended = f", suspended by {visible(status['suspended_by'])}" if status["suspended_by"] else ""
        failing = ", in error" if status["error"] else ""
        yield f"# status: {status['state']}{suspended}{failing}, {'usable' if status['usable'] else 'not usable'}"
    spec = found["spec"] if isinstance(found["spec"], dict) else {"spec": found["spec"]}
    width = max((len(key) for key in spec), default=0)
    for key in sorted(spec):
        value = spec[key]
        if isinstance(value, str) and "\n" in value:
            yield f"{visible(key).ljust(width)} = <<-EOT"
            yield from (f"    {line}" for line in visible_lines(value))
            yield "EOT"
        else:
            yield f"{visible(key).ljust(width)} = {visible_value(value)}"

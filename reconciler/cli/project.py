"""``project``: what concerns a project as a whole."""

from __future__ import annotations

import click

from reconciler.cli.options import common_by, print_json
from reconciler.cli.trail import writing_key
from reconciler.cli.workspace import Options, Workspace, actor
from reconciler.errors import LockTimeout, UsageError
from reconciler.model.address import NAME_RULE, is_name
from reconciler.model.audit import Actor


@click.group("project")
def command() -> None:
    """Rename a project."""


@command.command("rename")
@click.argument("old")
@click.argument("new")
@common_by()
def rename_command(options: Options, old: str, new: str) -> int:
    """Give the project OLD the name NEW in the database; what it owns stays its own. Then change `project:` in git."""
    from reconciler.store.failures import LockNotHad
    from reconciler.store.rename import rename

    for name in (old, new):
        if not is_name(name):
            raise UsageError(f"{name!r} is not a name", code="invalid-name", hint=NAME_RULE)
    workspace = Workspace(options, ())
    database = workspace.database(workspace.environment(required=True))
    try:
        count = rename(database, old, new, Actor(actor(), writing_key(workspace, database)))
    except LockNotHad:
        raise LockTimeout(f"the project {old!r} is being applied; nothing was changed", hint="try again") from None
    if options.format == "json":
        print_json({"format_version": "1.0", "old": old, "new": new, "resources": count})
    else:
        click.echo(
            f"Renamed the project {old} to {new}; it owns {count} resources.\nNext: set `project: {new}` in reconciler.yaml."
        )
    return 0

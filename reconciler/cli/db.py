"""``db``: the database itself: its schema, its projects, its backup."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import common, print_json
from reconciler.cli.workspace import Options, Workspace
from reconciler.errors import LockTimeout

MOST_NAMED = 3


@click.group("db")
def command() -> None:
    """Set up, upgrade, inspect and back up the database."""


@command.command("upgrade")
@click.option(
    "--lock-timeout",
    metavar="S",
    type=click.FloatRange(0, 86400),
    default=60.0,
    show_default=True,
    help="Seconds to wait for locks.",
)
@common
def upgrade_command(options: Options, lock_timeout: float) -> int:
    """Bring the schema to what this reconciler needs, in one transaction. Make a backup first."""
    from reconciler.store.connect import LockNotHad
    from reconciler.store.schema import upgrade

    workspace = Workspace(options, ())
    database = workspace.database(workspace.environment(required=True))
    try:
        with options.progress.stage("Upgrading the schema"):
            before, after = upgrade(database, lock_timeout, only_empty=False)
    except LockNotHad:
        raise LockTimeout("somebody else is using the database; nothing was changed", hint="try again later") from None
    if options.format == "json":
        print_json({"format_version": "1.0", "database": database.display, "before": before, "after": after})
    elif before == after:
        click.echo(f"{database.display} is at revision {after} already.")
    else:
        click.echo(f"Upgraded {database.display} from revision {before or '(none)'} to {after}.")
    return 0


@command.command("status")
@common
def status_command(options: Options) -> int:
    """Tell what the database is: its schema's revision, its projects, generations and freezes. Writes nothing."""
    from reconciler.model.live import DatabaseState
    from reconciler.store.reading import read_overview
    from reconciler.store.schema import REVISIONS
    from reconciler.store.status import freezes

    workspace = Workspace(options, ())
    database = workspace.database(workspace.environment(required=True))
    overview = read_overview(database)
    frozen = freezes(database) if overview.state is DatabaseState.CURRENT else []
    if options.format == "json":
        print_json(
            {
                "format_version": "1.0",
                "database": database.display,
                "state": overview.state.value,
                "revision": overview.revision,
                "current_revision": REVISIONS[-1],
                "resources": overview.resources,
                "projects": [
                    {"project": name, "environment": env, "generation": generation, "resources": count}
                    for name, env, generation, count in overview.projects
                ],
                "freezes": [one.document() for one in frozen],
            }
        )
        return 0
    click.echo(f"Database: {database.display}")
    click.echo(
        f"Schema:   {overview.state.value} (revision {overview.revision or 'none'}, this reconciler's {REVISIONS[-1]})"
    )
    click.echo(f"Live:     {overview.resources} resources")
    for name, env, generation, count in overview.projects:
        click.echo(f"Project:  {name}{f' ({env})' if env else ''}, generation {generation}, owns {count} resources")
    if frozen:
        names = ", ".join(one.address or f"{one.freeze.target} (gone)" for one in frozen[:MOST_NAMED])
        more = f" and {len(frozen) - MOST_NAMED} more" if len(frozen) > MOST_NAMED else ""
        click.echo(f"Frozen:   {names}{more} (see `reconciler freeze --list`)")
    return 0


@command.command("backup")
@click.argument("out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@common
def backup_command(options: Options, out: Path) -> int:
    """Copy a SQLite database to FILE, whole and consistent, while others use it. FILE must not exist."""
    from reconciler.store.backup import backup

    workspace = Workspace(options, ())
    database = workspace.database(workspace.environment(required=True))
    size = backup(database, out)
    if options.format == "json":
        print_json({"format_version": "1.0", "database": database.display, "file": str(out), "bytes": size})
    else:
        click.echo(f"Copied {database.display} to {out} ({size} bytes).")
    return 0

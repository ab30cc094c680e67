"""``db``: the database itself: its schema, its projects, its backup."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.db_verify import command as verify_command
from reconciler.cli.options import common_by, print_json
from reconciler.cli.trail import writing_key
from reconciler.cli.workspace import Options, Workspace, actor
from reconciler.errors import LockTimeout
from reconciler.model.audit import Actor

if TYPE_CHECKING:
    from reconciler.store.structure import Difference

MOST_NAMED = 3


@click.group("db")
def command() -> None:
    """Set up, upgrade, inspect, verify and back up the database."""


command.add_command(verify_command)


@command.command("upgrade")
@click.option(
    "--lock-timeout",
    metavar="S",
    type=click.FloatRange(0, 86400),
    default=60.0,
    show_default=True,
    help="Seconds to wait for locks.",
)
@common_by()
def upgrade_command(options: Options, lock_timeout: float) -> int:
    """Bring the schema to what this reconciler needs, in one transaction. Make a backup first."""
    from reconciler.store.connect import LockNotHad
    from reconciler.store.schema import upgrade

    workspace = Workspace(options, ())
    database = workspace.database(workspace.environment(required=True))
    try:
        with options.progress.stage("Upgrading the schema"):
            done = upgrade(
                database, lock_timeout, only_empty=False, actor=Actor(actor(), writing_key(workspace, database))
            )
    except LockNotHad:
        raise LockTimeout("somebody else is using the database; nothing was changed", hint="try again later") from None
    if options.format == "json":
        print_json(
            {
                "format_version": "1.0",
                "database": database.display,
                "before": done.before,
                "after": done.after,
                "repaired": [*done.repaired],
                "differences": _documents(done.surplus),
            }
        )
        return 0
    if done.repaired:
        click.echo(f"Repaired {database.display}: made again {', '.join(done.repaired)}.")
    if done.before == done.after:
        click.echo(f"{database.display} is at revision {done.after} already.")
    else:
        click.echo(f"Upgraded {database.display} from revision {done.before or '(none)'} to {done.after}.")
    _print_differences(done.surplus)
    click.echo("Next: `reconciler db verify`.")
    return 0


@command.command("status")
@common_by()
def status_command(options: Options) -> int:
    """Show the schema's revision and how it differs from it, projects, generations and freezes. Writes nothing."""
    from reconciler.model.live import DatabaseState
    from reconciler.store.reading import read_overview
    from reconciler.store.schema import REVISIONS
    from reconciler.store.status import freezes

    workspace = Workspace(options, ())
    database = workspace.database(workspace.environment(required=True))
    overview = read_overview(database)
    lacks_freezes = any(
        one.part.table in {"freezes", "resources", "switch", "lives", "caller_keys"} and not one.is_surplus
        for one in overview.differences
    )
    frozen = freezes(database) if overview.state is DatabaseState.CURRENT and not lacks_freezes else []
    if options.format == "json":
        print_json(
            {
                "format_version": "1.0",
                "database": database.display,
                "state": overview.state.value,
                "revision": overview.revision,
                "current_revision": REVISIONS[-1],
                "differences": _documents(overview.differences),
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
    _print_differences(overview.differences)
    click.echo(f"Live:     {'not known' if overview.resources is None else overview.resources} resources")
    for name, env, generation, count in overview.projects:
        click.echo(f"Project:  {name}{f' ({env})' if env else ''}, generation {generation}, owns {count} resources")
    if frozen:
        names = ", ".join(one.address or f"{one.freeze.target} (gone)" for one in frozen[:MOST_NAMED])
        more = f" and {len(frozen) - MOST_NAMED} more" if len(frozen) > MOST_NAMED else ""
        click.echo(f"Frozen:   {names}{more} (see `reconciler freeze --list`)")
    return 0


def _documents(differences: Iterable[Difference]) -> list[dict[str, Any]]:
    return [
        {"what": str(one.part), "expected": one.wanted, "found": one.found, "next_step": one.next_step()}
        for one in differences
    ]


def _print_differences(differences: Iterable[Difference]) -> None:
    for one in differences:
        click.echo(f"Differs:  {one.sentence()}\n          {one.next_step()}")


@command.command("backup")
@click.argument("out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@common_by()
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

"""``audit``: whether the trail is what was written, and whether one write is in it."""

from __future__ import annotations

import re
from pathlib import Path

import click
import orjson

from reconciler.cli.checkpoints import checkpoint_option, read_checkpoint
from reconciler.cli.options import common_by, print_json
from reconciler.cli.signing import NO_KEY
from reconciler.cli.trail import Trail, trail_of, writing_key
from reconciler.cli.workspace import Options, Workspace, actor, now
from reconciler.diff.visible import visible
from reconciler.errors import IntegrityFailed, Problem, ReconcilerError, Refused, UsageError
from reconciler.files import write_atomically
from reconciler.history.verify import Checkpoint, TrailFinding
from reconciler.model.audit import Actor, Head
from reconciler.secrets.heads import signed_head

_IDENTITY = re.compile(r"[0-9a-f][0-9a-f-]{7,35}")


@click.group("audit")
def command() -> None:
    """Verify the audit trail; look up one write."""


@command.command("show")
@click.argument("identity", metavar="ID")
@common_by()
def show_command(options: Options, identity: str) -> int:
    """Say whether the write ID is in force: an apply, or another change whose command ended without an answer.

    Exit 1 where there is none of this id: nothing was written by it.
    """
    from reconciler.store.filing import written_entry

    if not _IDENTITY.fullmatch(identity):
        raise UsageError(f"{visible(identity)} is not an id", hint="at least the first 8 of its 36 characters")
    workspace = Workspace(options, ())
    database = workspace.database(workspace.environment(required=True))
    entry = written_entry(database, identity)
    if options.format == "json":
        print_json({"format_version": "1.0", "id": identity, "written": entry is not None, "entry": entry})
    elif entry is None:
        click.echo(f"Not written: {database.display} has no write of the id {identity}.")
    else:
        click.echo(f"Written: {identity}")
        for name, value in entry.items():
            if value is not None and name not in {"write", "apply_id"}:
                click.echo(f"  {name}: {visible(str(value))}")
    return 0 if entry is not None else 1


@command.command("verify")
@checkpoint_option
@common_by()
def verify_command(options: Options, checkpoint: Path | None) -> int:
    """Recompute the whole chain, and hold history against it; exit 8 and the first bad entry if it does not hold.

    The verdict is one of three. It holds: nothing was changed, and nothing was cut off before the checkpoint. It is not
    provable: without a checkpoint, entries cut off behind the last one leave no trace in the trail. It is broken.
    """
    from reconciler.store.tampered import read_tampered

    workspace = Workspace(options, ())
    trail = trail_of(workspace)
    point = read_checkpoint(checkpoint, trail.keys, workspace.environment(required=True))
    found = _judged(trail, point)
    if tampered := read_tampered(trail.database):
        raise IntegrityFailed(
            f"the audit trail holds, and history does not: generation {tampered.generation} of the project "
            f"{tampered.project!r} is not what was applied",
            code="history-damaged",
            hint="see docs/audit.md",
        )
    if options.format == "json":
        print_json(
            {
                "format_version": "1.0",
                "valid": True,
                "entries": found.entries,
                "unkeyed": found.unkeyed,
                "hash": found.last_hash,
                "verdict": found.verdict,
                "unproven": found.unproven,
                "taken_over": found.taken_over,
                "checkpoint": point.seq if point else None,
            }
        )
        return 0
    unkeyed = (
        f"; {found.unkeyed} of them without a key, so whoever writes the table could have written them"
        if found.unkeyed
        else ""
    )
    click.echo(f"The audit trail holds: {found.entries} entries{unkeyed}.")
    if found.taken_over is not None:
        click.echo(f"Entry {found.taken_over} takes over the entries without a key before it.")
    if point is not None and not found.unproven:
        click.echo(
            f"Proven up to entry {point.seq}, the last that the checkpoint saw: entries cut off behind it leave no trace."
        )
    if found.unproven:
        click.echo(f"Not provable: {found.unproven}. See `reconciler audit checkpoint`.")
    return 0


@command.command("checkpoint")
@click.option(
    "--out", metavar="FILE", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write."
)
@common_by()
def checkpoint_command(options: Options, out: Path) -> int:
    """Verify, then write the newest entry's number and hash to a file; keep it where the database's writers can't reach."""
    workspace = Workspace(options, ())
    trail = trail_of(workspace)
    found = _judged(trail, None)
    key = writing_key(workspace, trail.database)
    document = signed_head(Head(found.entries, found.last_hash), now().isoformat(timespec="seconds"), key)
    write_atomically(out, orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
    click.echo(
        f"Wrote the checkpoint of entry {found.entries} to {out}"
        + ("" if key else ", unsigned: no key is configured")
        + "."
    )
    return 0


@command.command("take-over")
@click.option("--reason", metavar="TEXT", help="Why the entries without a key are trusted.")
@common_by()
def take_over_command(options: Options, reason: str | None) -> int:
    """Accept the entries without a key that stand in the trail, by an entry with a key; later ones break the trail again.

    The first entry with a key takes over those before it by itself. This is for a trail in which a writer without the key
    wrote behind that.
    """
    from reconciler.store.audit import note
    from reconciler.store.changing import changing

    if reason is None:
        raise UsageError("expected --reason TEXT", hint="it stands in the audit trail")
    workspace = Workspace(options, ())
    database = workspace.database(workspace.environment(required=True))
    key = writing_key(workspace, database)
    if key is None:
        raise Refused("there is no key to take them over with", code="key-missing", hint=NO_KEY)
    with changing(database, "the take-over of entries without a key") as connection:
        note(connection, "trail-take-over", Actor(actor(), key), {"reason": reason}, takes_over=True)
    click.echo("From here on, an entry without a key breaks the audit trail.")
    return 0


def _judged(trail: Trail, checkpoint: Checkpoint | None) -> TrailFinding:
    """Return the verdict on a trail that is not broken. Raises IntegrityFailed, ReconcilerError."""
    from reconciler.history.judge import judged

    found = judged(trail.database, trail.keys, checkpoint, trail.expects_key)
    if found is None:
        raise ReconcilerError(f"{trail.database.display} holds no audit trail yet", code="nothing-applied")
    if found.entry is not None:
        message = f"the audit trail does not hold from entry {found.entry} on: {found.reason}"
        raise IntegrityFailed(Problem("audit-broken", message, hint="see docs/audit.md"))
    return found

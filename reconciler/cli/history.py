"""``history``: what was applied, when, by whom, from which commit."""

from __future__ import annotations

from typing import Any

import click
from msgspec.structs import asdict, replace

from reconciler.cli import complete
from reconciler.cli.options import common, print_json, print_lines
from reconciler.cli.selecting import require_known
from reconciler.cli.workspace import Options, Workspace
from reconciler.diff.fields import differences
from reconciler.diff.visible import visible, visible_pair, visible_path
from reconciler.errors import ReconcilerError
from reconciler.kinds.meaning import shown_past
from reconciler.model.history import Generation, PastChange
from reconciler.model.plan import Action


@click.command("history")
@click.argument("generation", required=False, type=click.IntRange(1), shell_complete=complete.generations)
@common
def command(options: Options, generation: int | None) -> int:
    """List the project's generations, or show what one of them changed.

    The newest stands first. --tenant and --target narrow the list to generations that changed something of these, and one
    generation to those changes.
    """
    from reconciler.store.history import read_history

    workspace = Workspace(options, ())
    database = workspace.database(workspace.environment(required=True))
    history = read_history(database, workspace.name)
    generations = history.generations
    require_known(options, (c.address for c in history.changes), "is in no generation's changes")
    wanted = [
        c
        for c in history.changes
        if (not options.tenants or c.address.tenant in options.tenants)
        and (not options.targets or str(c.address) in options.targets)
    ]
    if generation is None:
        if options.tenants or options.targets:
            numbers = {c.generation for c in wanted}
            generations = tuple(one for one in generations if one.number in numbers)
        if options.format == "json":
            print_json(
                {
                    "format_version": "1.0",
                    "pruned_up_to": history.horizon,
                    "generations": [_generation(g) for g in reversed(generations)],
                }
            )
            return 0
        for one in reversed(generations):
            print_lines([line(one)], options.style)
        if history.horizon:
            click.echo(f"What the generations up to {history.horizon} changed is no longer kept.", err=True)
        if not generations:
            click.echo(f"Nothing was applied yet by the project {workspace.name}.", err=True)
        return 0
    chosen = history.by_number.get(generation)
    if chosen is None:
        raise ReconcilerError(
            f"the project {workspace.name!r} has no generation {generation}",
            code="no-such-generation",
            hint=f"the newest is {generations[-1].number}" if generations else "nothing was applied yet",
        )
    if generation <= history.horizon:
        raise ReconcilerError(
            f"what generation {generation} changed is no longer kept: history was pruned up to generation {history.horizon}",
            code="history-pruned",
        )
    changes = [_shown(c, history.mask_key) for c in wanted if c.generation == generation]
    if options.format == "json":
        print_json({"format_version": "1.0", **_generation(chosen), "changes": [_change(c) for c in changes]})
        return 0
    shown = [line(chosen)]
    for change in changes:
        moved = f"  (from {change.previous})" if change.previous else ""
        shown.append(f"{Action(change.action).symbol.rjust(4)} {change.address}{moved}")
        if change.before is not None and change.after is not None:
            shown += [
                f"       {visible_path(field.path)} = {' -> '.join(visible_pair(field.before, field.after))}"
                for field in differences(change.before, change.after)
            ]
    print_lines(shown, options.style)
    return 0


def line(generation: Generation) -> str:
    """One generation on one line."""
    commit = f", commit {generation.commit[:12]}{' (dirty)' if generation.dirty else ''}" if generation.commit else ""
    counts = f"{generation.added} added, {generation.changed} changed, {generation.destroyed} destroyed"
    return f"{generation.number:>4}  {generation.at}  {generation.operation}  {counts}  by {visible(generation.actor)}{commit}"


def _shown(change: PastChange, mask_key: bytes) -> PastChange:
    before, after = (
        body and shown_past(change.address, body, change.spec_version, mask_key)
        for body in (change.before, change.after)
    )
    return replace(change, before=before, after=after)


def _generation(generation: Generation) -> dict[str, Any]:
    return {**asdict(generation), "dirty": bool(generation.dirty)}


def _change(change: PastChange) -> dict[str, Any]:
    return {
        "address": str(change.address),
        "action": change.action,
        "previous_address": str(change.previous) if change.previous else None,
        "uid": change.uid,
        "cause": change.cause,
        "source": change.source,
        "before": change.before,
        "after": change.after,
    }

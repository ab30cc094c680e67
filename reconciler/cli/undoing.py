"""What ``rollback`` and ``revert`` share: history read, planned, shown, carried out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from reconciler import __version__
from reconciler.cli.carry_out import Consent, save_or_carry_out
from reconciler.cli.history import line
from reconciler.cli.workspace import Options, Workspace, now
from reconciler.history.undo import Undoing
from reconciler.model.configuration import Configuration
from reconciler.planner.make import Past, Setting, make_plan
from reconciler.processes import forked


def undo(
    options: Options,
    consent: Consent,
    generation: int,
    out: Path | None,
    undoing: Callable[..., Undoing],
    operation: str,
) -> int:
    """Plan what takes a generation back, then write or apply the plan; return the exit code."""
    from reconciler.store.history import read_history
    from reconciler.store.tampered import require_untampered

    workspace = Workspace(options, ())
    environment = workspace.environment(required=True)
    database = workspace.database(environment)
    require_untampered(database, workspace.name)
    history = read_history(database, workspace.name)
    live = workspace.read_live(database, None, every_tenant=True)
    base = Configuration(
        workspace.name,
        environment,
        {},
        ignore=workspace.project.settings.ignored,
        guards=workspace.project.settings.guards,
    )
    wanted = undoing(generation, history, live, base)
    setting = Setting(database.name_in(workspace.project.root), now().date(), __version__)
    selection = replace(workspace.selection(live), paths=wanted.touched)
    plan = make_plan(
        wanted.configuration, live, setting, selection, Past(wanted.moves, wanted.uids, wanted.let_go), forked
    )
    notes = tuple(f"undoes generation {line(one).strip()}" for one in reversed(wanted.undone))
    plan = replace(plan, notes=(*plan.notes, *notes), operation=operation)
    plan = workspace.with_effects(plan, database)
    save_or_carry_out(plan, workspace, database, replace(consent, guards=base.guards), out)
    return 0

"""``apply``: the configuration, or a saved plan, becomes live state; all of it or nothing."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec.structs import replace

from reconciler import __version__
from reconciler.cli import complete
from reconciler.cli.carry_out import Consent, carry_out, consenting
from reconciler.cli.credentials import (
    Bodies,
    Checks,
    Locate,
    bodies_of,
    checking,
    fingerprints,
    keep_fingerprints,
    located,
    run_checks,
    with_rotated_secrets,
)
from reconciler.cli.options import SELECTING, common_with
from reconciler.cli.reviewed import Review, is_reviewed, reviewing
from reconciler.cli.saved import saved_environment
from reconciler.cli.selecting import is_narrowed
from reconciler.cli.signing import known_keys
from reconciler.cli.workspace import Options, Workspace
from reconciler.errors import UsageError
from reconciler.load.discover import SUFFIXES
from reconciler.load.paths import STDIN
from reconciler.model.configuration import Guards
from reconciler.model.plan import Plan
from reconciler.plan.file import read_plan
from reconciler.plan.version import require_version
from reconciler.store.url import Database


@click.command("apply")
@click.argument("paths", nargs=-1, metavar="[PATH]... | PLANFILE", shell_complete=complete.files)
@click.option("--no-delete", is_flag=True, help="Create and update only.")
@reviewing
@checking
@consenting
@common_with(narrowing=SELECTING)
def command(
    options: Options, consent: Consent, paths: tuple[str, ...], no_delete: bool, checks: Checks, review: Review
) -> int:
    """Make the live state what the configuration says.

    In one transaction: all of it, or nothing. Shows the plan and asks first.

    PLANFILE is what `plan --out` saved: exactly that is applied, or nothing if the database has moved since.
    The report says whether this command wrote it, or somebody has applied it already.
    """
    saved, loaded = _plan_file(paths), None
    workspace = Workspace(options, () if saved else paths)
    if saved:
        if review.file is not None:
            raise UsageError("a saved plan is the one that was reviewed", hint="leave out --reviewed, or the plan")
        if no_delete or is_narrowed(options):
            raise UsageError(
                "a saved plan is applied as it is", hint="select when planning: `reconciler plan --out FILE`"
            )
        plan, database, guards = _saved(workspace, saved)
        locate: Locate = lambda problem: problem  # noqa: E731 - a plan's lines may have moved since
        bodies: Bodies = ((change.address, body) for change in plan.changes if (body := change.after))
    else:
        plan, loaded, database = workspace.plan(no_delete)
        guards = loaded.configuration.guards
        locate, bodies = located(loaded), bodies_of(loaded)
    found = run_checks(workspace, plan.environment, checks, bodies, locate, may_ask=STDIN not in paths)
    seen = fingerprints(workspace, found) if found else {}
    if seen and loaded is not None:
        plan = with_rotated_secrets(workspace, plan, loaded, database, seen)
    seen_before = saved is not None or is_reviewed(plan, review, workspace, database)
    consent = replace(consent, guards=guards, saved=seen_before, stdin_is_read=STDIN in paths)
    outcome = carry_out(plan, workspace, database, consent, seen)
    if outcome.generation is None:
        keep_fingerprints(database, seen)
    return 0


def _plan_file(paths: tuple[str, ...]) -> Path | None:
    """Return the plan among the paths: the one existing file that is no YAML; a manifest's name ends in .yaml or .yml."""
    files = [Path(p) for p in paths if p != STDIN and Path(p).is_file() and not p.endswith(SUFFIXES)]
    if files and len(paths) > 1:
        raise UsageError("a saved plan is applied alone", hint=f"run `reconciler apply {files[0]}`")
    return files[0] if files else None


def _saved(workspace: Workspace, file: Path) -> tuple[Plan, Database, Guards]:
    """Return the plan and the database that this workspace, not the plan, names."""
    keys = known_keys(workspace.project)
    plan = read_plan(file, keys.by_id if keys else None)
    require_version(plan.tool_version, __version__)
    environment = saved_environment(workspace, plan)
    return plan, workspace.database(environment), workspace.project.settings.guards

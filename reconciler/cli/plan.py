"""``plan``: what an apply would change, on stdout and, for later, in a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from reconciler.cli import complete
from reconciler.cli.credentials import (
    Checks,
    bodies_of,
    fingerprints,
    located,
    run_checks,
    with_reviewed_secrets,
    with_rotated_secrets,
)
from reconciler.cli.options import (
    SELECTING,
    common_with,
    plan_without_secrets,
    print_changes,
    print_lines,
    print_pieces,
    print_plan,
)
from reconciler.cli.output import own_words
from reconciler.cli.pipeline import About, failing_in, in_repository, write_step_files
from reconciler.cli.saved import require_plan_name, saved_text
from reconciler.cli.selecting import selections
from reconciler.cli.signing import signing_key
from reconciler.cli.workspace import Options, Workspace
from reconciler.errors import UsageError
from reconciler.guards.check import Allowances, Facts, by_risk, refusals
from reconciler.model.configuration import Guards
from reconciler.model.plan import Action, Blocker, Plan
from reconciler.plan.selected import selection_document
from reconciler.processes import forked
from reconciler.render.formats import PLAN_FORMATS
from reconciler.render.left_out import left_out_lines, no_changes
from reconciler.render.plan_text import also_lines, foot_text, head_text, summary_line


@click.command("plan")
@click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=complete.files)
@click.option(
    "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan for `apply FILE`."
)
@click.option(
    "--against",
    metavar="EXPORT",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Plan against what `export --canonical` wrote; no database is reached.",
)
@click.option("--no-delete", is_flag=True, help="Plan creations and updates only.")
@click.option(
    "--suggest-moves",
    is_flag=True,
    help="First write a `moved` entry for each deletion and creation that have the same body; then plan.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 if there are changes, 0 if not.")
@click.option(
    "--check",
    is_flag=True,
    help="Resolve every reference to a secret; exit 7 if one does not. Shows where the secret behind one has changed.",
)
@common_with(*PLAN_FORMATS, narrowing=SELECTING)
def command(
    options: Options,
    paths: tuple[str, ...],
    out: Path | None,
    against: Path | None,
    no_delete: bool,
    detailed_exitcode: bool,
    check: bool,
    suggest_moves: bool,
) -> int:
    """Show what an apply would change.

    Writes nothing to the database, and makes none.

    PATH selects the part of a project that it holds, and then nothing is deleted. Without a project file a folder is
    the whole configuration.
    """
    about = About(environment=options.env)
    with failing_in(options.format, about):
        workspace = Workspace(options, paths)
        about.project, about.environment = workspace.name, workspace.environment(required=False)
        if suggest_moves:
            from reconciler.cli.suggested_moves import write_suggested  # few plans write into files

            write_suggested(workspace, no_delete)
            workspace = Workspace(options, paths)
        return _plan(workspace, out, against, no_delete, detailed_exitcode, check)


def _plan(
    workspace: Workspace, out: Path | None, against: Path | None, no_delete: bool, detailed_exitcode: bool, check: bool
) -> int:
    options = workspace.options
    if against is not None and out is not None:
        raise UsageError(
            "a plan against an export can't be applied", hint="leave out --out; plan again where the database is"
        )
    if out is not None:
        require_plan_name(out)
    if against is not None:
        plan, loaded = workspace.plan_against(against, no_delete)
        run_checks(workspace, plan.environment, Checks(check), bodies_of(loaded), located(loaded))
    else:
        plan, loaded, database = workspace.plan(no_delete)
        found = run_checks(workspace, plan.environment, Checks(check), bodies_of(loaded), located(loaded))
        if found:
            plan = with_rotated_secrets(workspace, plan, loaded, database, fingerprints(workspace, found))
    if out is not None:
        from reconciler.plan.file import write_plan

        plan = with_reviewed_secrets(plan, database)
        write_plan(plan, out, signing_key(workspace.project))
    show_plan(plan, options, loaded.configuration.guards, workspace.project.root)
    if options.verbose and options.format == "text" and not options.quiet:
        print_lines(["", "Selectors:", *(f"  {one}" for one in selections(loaded.configuration))], options.style)
    if out is not None and options.format == "text" and not options.quiet:
        click.echo(saved_text(workspace, database, out))
    return 2 if detailed_exitcode and plan.changes else 0


def show_plan(plan: Plan, options: Options, guards: Guards, root: Path) -> None:
    """Print the plan in the format that was asked for; ``root`` is the folder that its places count from."""
    with own_words():
        _show(plan_without_secrets(plan), options, guards, root)


def _show(plan: Plan, options: Options, guards: Guards, root: Path) -> None:
    if options.format == "json":
        print_plan(plan)
    elif options.format in PLAN_FORMATS:
        from reconciler.plan.convert import blocker_document
        from reconciler.plan.lazy import document_of

        document = in_repository(document_of(plan), root)
        document["blockers"] += [blocker_document(blocker) for blocker in foreseen(plan, guards)]
        print_pieces(PLAN_FORMATS[options.format](document, forked))
        if options.format == "github":
            write_step_files(document)
    elif options.quiet:
        document = {**selection_document(plan), "operation": plan.operation}
        first = [summary_line(plan), *also_lines(plan)] if plan.changes else [no_changes(document)]
        print_lines([*first, *left_out_lines(document)], options.style)
    else:
        print_lines(head_text(plan, options.style), options.style)
        print_changes(plan.changes, options.style)
        print_lines(foot_text(plan, options.style, foreseen(plan, guards)), options.style)


def foreseen(plan: Plan, guards: Guards, allowed: Allowances | None = None) -> Iterable[Blocker]:
    """Return what the guards would refuse, as far as the plan alone tells; an apply judges again, by what is live then."""
    gained = plan.count(Action.CREATE) + sum(change.adopted_from is not None for change in plan.changes)
    lost = plan.count(Action.DELETE) + sum(change.lets_go for change in plan.changes)
    facts = Facts(
        plan.destroyed,
        plan.owned,
        plan.owned + gained - lost,
        plan.tenants_gone,
        risks=by_risk((change.address, change.risks) for change in plan.changes) if guards.refuse else {},
        destroyed=tuple(change.address for change in plan.changes if change.action.destroys),
    )
    return refusals(facts, guards, allowed or Allowances())

"""A saved plan: the command that applies it, and the project, environment and database that it is applied to."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from reconciler.cli.workspace import ENVIRONMENT_VARIABLE, Workspace
from reconciler.errors import ReconcilerError, Refused, UsageError
from reconciler.load.discover import SUFFIXES, find_project_file
from reconciler.load.project import DEFAULT_PROJECT, FILE_NAME
from reconciler.model.plan import Plan
from reconciler.store.url import MASK, Database


def require_plan_name(out: Path) -> None:
    """Raise UsageError for a name that `apply` takes for a manifest, ReconcilerError for a folder that is missing."""
    if out.name.endswith(SUFFIXES):
        hint = f"name it for example {out.stem}.plan"
        raise UsageError(f"a plan can't be called {out.name}: `apply` would take it for a manifest", hint=hint)
    if not out.parent.is_dir():
        hint = f"make the folder first: mkdir -p {shlex.quote(str(out.parent))}"
        message = f"can't write the plan to {out}: there is no folder {out.parent}"
        raise ReconcilerError(message, code="plan-not-written", hint=hint)


def saved_text(workspace: Workspace, database: Database, out: Path) -> str:
    """Return where the plan is, and the command that applies it from this folder."""
    return f"\nSaved the plan to: {out}\nTo apply exactly this: {apply_command(workspace, database, out)}"


def apply_command(workspace: Workspace, database: Database, out: Path) -> str:
    """Return the command that applies the plan from this folder; URL stands for a database whose URL holds a secret."""
    project, options = workspace.project, workspace.options
    context = click.get_current_context(silent=True)
    folder = context.find_root().params.get("folder") if context else None
    words = ["reconciler", *(("-C", folder) if folder else ()), "apply", str(out)]
    if project.source is not None and (options.project or find_project_file(Path.cwd()) != project.root / FILE_NAME):
        words += ["--project", options.project or project.source.name]
    if options.database or (not project.has_file and project.root != Path.cwd()):
        words += ["--database", "URL" if MASK in database.display else database.display]
    return shlex.join(words)


def saved_environment(workspace: Workspace, plan: Plan) -> str | None:
    """Return the environment of a saved plan, and let it name the project where no file does.

    Raises Refused where the project or --env contradicts the plan.
    """
    given = workspace.environment(required=False)
    if not workspace.project.has_file and workspace.name == DEFAULT_PROJECT:
        workspace.name = plan.project
        if plan.environment and not workspace.names_database:
            raise UsageError(
                f"there is no project here, and the plan is for the environment {plan.environment!r} of {plan.project!r}",
                code="no-such-project",
                hint="run this in the project's folder, or name it: --project FILE",
            )
    if plan.project != workspace.name:
        raise Refused(
            f"the plan is for the project {plan.project!r}, and this is {workspace.name!r}",
            code="wrong-project",
            hint="apply it in the project that it was made in",
        )
    if given not in {None, plan.environment}:
        raise _another(plan, f"{given!r} was named", f"leave out --env, and unset {ENVIRONMENT_VARIABLE}; or ")
    if workspace.project.has_file and plan.environment not in (workspace.environments or (None,)):
        raise _another(plan, f"the project has {', '.join(workspace.environments) or 'no environments'}")
    return plan.environment


def _another(plan: Plan, contradiction: str, way_out: str = "") -> Refused:
    planned = f"the environment {plan.environment!r}" if plan.environment else "no environment"
    return Refused(
        f"the plan is for {planned}, and {contradiction}",
        code="wrong-environment",
        hint=f"{way_out}make a plan for this environment",
    )

"""A saved plan: the command that applies it, and the project, environment and database that it is applied to."""

from __future__ import annotations

import shlex
from pathlib import Path

from reconciler.cli.workspace import Workspace
from reconciler.errors import Refused
from reconciler.load.discover import find_project_file
from reconciler.load.project import DEFAULT_PROJECT, FILE_NAME
from reconciler.model.plan import Plan
from reconciler.store.url import MASK, Database


def saved_text(workspace: Workspace, database: Database, out: Path) -> str:
    """Return where the plan is, and the command that applies it from this folder."""
    return f"\nSaved the plan to: {out}\nTo apply exactly this: {apply_command(workspace, database, out)}"


def apply_command(workspace: Workspace, database: Database, out: Path) -> str:
    """Return the command that applies the plan from this folder; URL stands for a database whose URL holds a secret."""
    project, options = workspace.project, workspace.options
    words = ["reconciler", "apply", str(out)]
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
    if plan.project != workspace.name:
        raise Refused(
            f"the plan is for the project {plan.project!r}, and this is {workspace.name!r}",
            code="wrong-project",
            hint="apply it in the project that it was made in",
        )
    if given not in {None, plan.environment}:
        raise _another(plan, f"{given!r} was named")
    if workspace.project.has_file and plan.environment not in (workspace.environments or (None,)):
        raise _another(plan, f"the project has {', '.join(workspace.environments) or 'no environments'}")
    return plan.environment


def _another(plan: Plan, contradiction: str) -> Refused:
    planned = f"the environment {plan.environment!r}" if plan.environment else "no environment"
    return Refused(
        f"the plan is for {planned}, and {contradiction}",
        code="wrong-environment",
        hint="make a plan for this environment",
    )

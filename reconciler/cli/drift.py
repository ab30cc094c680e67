"""``drift``: what somebody else changed since the last apply."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.notifying import tell_of
from reconciler.cli.options import common_with, print_beside_plan, print_json, print_lines, print_pieces
from reconciler.cli.pipeline import About, failing_in
from reconciler.cli.workspace import Options, Workspace, now
from reconciler.drift.find import find_drift
from reconciler.drift.tell import drift_event
from reconciler.errors import ReconcilerError
from reconciler.files import write_atomically
from reconciler.model.configuration import Configuration
from reconciler.model.drift import Drift
from reconciler.planner.environment import require_environment
from reconciler.processes import forked
from reconciler.render.drift_text import drift_json, drift_text
from reconciler.render.formats import DRIFT_FORMATS
from reconciler.render.metrics import drift_metrics


@click.command("drift")
@click.option("--pending", is_flag=True, help="Also show, apart, what the configuration would change.")
@click.option(
    "--metrics",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a Prometheus textfile, atomically.",
)
@click.option(
    "--notify",
    is_flag=True,
    help="Tell the destinations of reconciler.yaml what was found, or that all is well; needs to write to the outbox.",
)
@common_with(*DRIFT_FORMATS)
def command(options: Options, pending: bool, metrics: Path | None, notify: bool) -> int:
    """Compare live state with what was applied last.

    Tells what was created, changed and deleted outside, per field, with who and when. Reads only; exit 2 on drift. The
    working tree does not matter, but the `ignore` rules of reconciler.yaml do.
    """
    about = About(environment=options.env)
    with failing_in(options.format, about, "Drift"):
        workspace = Workspace(options, ())
        about.project, about.environment = workspace.name, workspace.environment(required=False)
        return _drift(workspace, pending, metrics, notify)


def _drift(workspace: Workspace, pending: bool, metrics: Path | None, notify: bool) -> int:
    options = workspace.options
    drift = _find(workspace)
    planned = workspace.plan() if pending else None
    if metrics is not None:
        write_atomically(metrics, drift_metrics(drift, now().timestamp()))
    if options.format != "text":
        document = drift_json(drift)
        if options.format == "json" and planned is not None:
            print_beside_plan(document, "pending", planned[0])
        elif options.format == "json":
            print_json(document)
        else:
            if planned is not None:
                from reconciler.plan.lazy import document_of

                document = {**document, "pending": document_of(planned[0])}
            print_pieces(DRIFT_FORMATS[options.format](document, forked))
    else:
        print_lines(drift_text(drift, options.style), options.style)
        if planned is not None:
            from reconciler.render.plan_text import plan_text

            click.echo("\nPending, apart from drift:\n")
            print_lines(plan_text(planned[0], options.style), options.style)
    told = not notify or tell_of(
        workspace,
        workspace.database(workspace.environment(required=True)),
        drift_event(drift, now().isoformat(timespec="seconds")),
    )
    return 2 if drift.findings else 0 if told else 1


def _find(workspace: Workspace) -> Drift:
    from reconciler.store.history import read_let_go

    environment = workspace.environment(required=True)
    database = workspace.database(environment)
    live = workspace.read_live(database, None, whole=False)
    if live.project is None:
        raise ReconcilerError(
            f"the project {workspace.name!r} has applied nothing to {database.display}",
            code="nothing-applied",
            hint="check the project's name, --env and the database; or apply first",
        )
    require_environment(live.project, workspace.name, environment)
    rules = Configuration(workspace.name, environment, {}, ignore=workspace.project.settings.ignored)
    return find_drift(rules, live, now().date(), workspace.selection(live), read_let_go(database))

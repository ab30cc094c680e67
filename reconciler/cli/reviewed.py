"""``apply --reviewed FILE``: the configuration is applied if its plan is the one that was reviewed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from msgspec import Struct
from msgspec.structs import replace

from reconciler import __version__
from reconciler.cli.credentials import with_reviewed_secrets
from reconciler.cli.options import plan_without_secrets, print_lines
from reconciler.cli.signing import known_keys
from reconciler.cli.workspace import Workspace
from reconciler.errors import PlanStale, Problem, Refused, UsageError
from reconciler.model.plan import Plan
from reconciler.plan.file import read_plan
from reconciler.plan.version import require_version
from reconciler.planner.reviewed import Difference, differences
from reconciler.render.plan_difference import difference_lines
from reconciler.store.url import Database

_FLAG = "--allow-unreviewed"
_NAMED = 20


class Review(Struct, frozen=True):
    """The plan that was reviewed, and whether another one may be applied."""

    file: Path | None = None
    lifted: bool = False


def reviewing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a review, handed over as one ``review``."""

    @click.option(
        "--reviewed",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Apply only what this plan shows; where it differs, show the difference and exit 4.",
    )
    @click.option(_FLAG, "lifted", is_flag=True, help="With --reviewed: what no reviewed plan shows is meant.")
    @functools.wraps(command)
    def wrapped(reviewed: Path | None, lifted: bool, **rest: Any) -> Any:
        if lifted and reviewed is None:
            raise UsageError(f"{_FLAG} is for --reviewed FILE", hint="leave it out")
        return command(review=Review(reviewed, lifted), **rest)

    return wrapped


def is_reviewed(plan: Plan, review: Review, workspace: Workspace, database: Database) -> bool:
    """Whether a review showed all that this plan would do; there is nothing to show of a plan without changes.

    Raises Refused where no plan was reviewed, PlanStale where another one was, IntegrityFailed where that is damaged.
    """
    if review.file is None or not plan.changes:
        return False
    if not review.file.exists():
        return _missing(plan, review, workspace)
    keys = known_keys(workspace.project)
    reviewed = read_plan(review.file, keys.by_id if keys else None)
    require_version(reviewed.tool_version, __version__)
    for what, theirs, ours in (
        ("project", reviewed.project, plan.project),
        ("environment", reviewed.environment, plan.environment),
        ("database", reviewed.lineage, plan.lineage),
    ):
        if theirs != ours and (what != "database" or theirs is not None):
            raise Refused(f"the reviewed plan is for another {what}", code="not-reviewed", hint="review a plan of this")
    found = list(differences(reviewed, with_reviewed_secrets(plan, database)))
    if found:
        _show(found, plan, workspace)
        if review.lifted:
            return False
        raise PlanStale(*(_stale(one) for one in found[:_NAMED]))
    return True


def _missing(plan: Plan, review: Review, workspace: Workspace) -> bool:
    message = f"no plan of these {len(plan.changes)} changes was reviewed"
    if not review.lifted:
        hint = f"plan on a review of its own; or say {_FLAG} where somebody has looked at this plan"
        raise Refused(f"{message}: there is no file {review.file}", code="not-reviewed", hint=hint)
    workspace.options.progress.say(f"Warning: {message}; {_FLAG} says that they are meant", always=True)
    return False


def _show(found: list[Difference], plan: Plan, workspace: Workspace) -> None:
    """Print the difference for people, masked as plans are."""
    options = workspace.options
    if options.format == "text":
        before, now = (
            {one.address: one for one in plan_without_secrets(replace(plan, changes=side)).changes}
            for side in (
                tuple(one.reviewed for one in found if one.reviewed),
                tuple(one.current for one in found if one.current),
            )
        )
        shown = [Difference(one.address, before.get(one.address), now.get(one.address)) for one in found]
        print_lines([*difference_lines(shown, options.style), ""], options.style)


def _stale(one: Difference) -> Problem:
    if one.reviewed is None:
        message = f"{one.address} would be changed, and the reviewed plan leaves it alone"
    elif one.current is None:
        message = f"{one.address} would stay as it is, and the reviewed plan changes it"
    else:
        message = f"{one.address} would be changed in another way than the reviewed plan shows"
    hint = f"review a new plan; or say {_FLAG} where somebody has looked at this one"
    return Problem("not-reviewed", message, str(one.address), hint=hint)

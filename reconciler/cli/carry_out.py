"""A plan shown, approved, executed and reported: the same for every command that changes live state."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from msgspec import Struct, field

from reconciler.apply.execute import execute
from reconciler.apply.records import ApplyOutcome
from reconciler.apply.terms import Approval, Standing, Terms
from reconciler.cli import git
from reconciler.cli.asking import approve
from reconciler.cli.credentials import with_reviewed_secrets
from reconciler.cli.heads import push_head
from reconciler.cli.notifying import deliver_waiting
from reconciler.cli.options import print_beside_plan
from reconciler.cli.plan import foreseen, show_plan
from reconciler.cli.saved import require_plan_name, saved_text
from reconciler.cli.signing import signing_key
from reconciler.cli.standing import standing_of
from reconciler.cli.trail import writing_key
from reconciler.cli.workspace import Options, Workspace, actor
from reconciler.errors import Problem, Refused
from reconciler.guards.check import Allowances
from reconciler.model.configuration import Guards
from reconciler.model.fingerprint import Fingerprints
from reconciler.model.notification import APPLY, subscribed
from reconciler.model.plan import Plan
from reconciler.model.risk import RISKS
from reconciler.plan.file import write_plan
from reconciler.processes import forked
from reconciler.store.url import Database

UNGUARDED = Guards(None, 100, True)
ALREADY = "already_applied"
"""The outcome of an apply that finds everything done that its plan would do."""


class Consent(Struct, frozen=True):
    """What was allowed on the command line, and by the project."""

    auto_approve: bool = False
    lock_timeout: float = 60.0
    allowed: Allowances = field(default_factory=Allowances)
    guards: Guards = field(default_factory=Guards)
    saved: bool = False
    stdin_is_read: bool = False


def consenting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the options of commands that change live state, handed over as one ``consent``."""

    @click.option("--auto-approve", is_flag=True, help="Do not ask.")
    @click.option(
        "--lock-timeout",
        metavar="S",
        type=click.FloatRange(0, 86400),
        default=60.0,
        show_default=True,
        help="Seconds to wait for the lock.",
    )
    @click.option(
        "--allow-deletes", metavar="N", type=click.IntRange(0), help="Up to N deletions and replacements are meant."
    )
    @click.option("--allow-empty", is_flag=True, help="An empty configuration, or a whole tenant gone, is meant.")
    @click.option("--overwrite-outside", is_flag=True, help="Overwrite outside changes that nobody has seen.")
    @click.option(
        "--allow-diverged", is_flag=True, help="Apply from a dirty tree, or a commit that does not follow the last."
    )
    @click.option(
        "--allow-undo", is_flag=True, help="Taking back a rollback, or what an earlier apply changed, is meant."
    )
    @click.option(
        "--allow-risk",
        "risks",
        metavar="RISK",
        multiple=True,
        type=click.Choice([*RISKS]),
        help="This risk is meant, where a guard refuses it; may be repeated.",
    )
    @functools.wraps(command)
    def wrapped(
        auto_approve: bool,
        lock_timeout: float,
        allow_deletes: int | None,
        allow_empty: bool,
        overwrite_outside: bool,
        allow_diverged: bool,
        allow_undo: bool,
        risks: tuple[str, ...],
        **rest: Any,
    ) -> Any:
        allowed = Allowances(
            allow_deletes, allow_empty, overwrite_outside, allow_diverged, allow_undo, frozenset(risks)
        )
        return command(consent=Consent(auto_approve, lock_timeout, allowed), **rest)

    return wrapped


def save_or_carry_out(plan: Plan, workspace: Workspace, database: Database, consent: Consent, out: Path | None) -> None:
    """With ``--out`` the plan is shown and saved for ``apply FILE``; otherwise it is carried out."""
    if out is None:
        carry_out(plan, workspace, database, consent)
        return
    require_plan_name(out)
    write_plan(with_reviewed_secrets(plan, database), out, signing_key(workspace.project))
    show_plan(plan, workspace.options, consent.guards, workspace.project.root)
    if workspace.options.format == "text":
        click.echo(saved_text(workspace, database, out))


def carry_out(
    plan: Plan, workspace: Workspace, database: Database, consent: Consent, seen: Fingerprints | None = None
) -> ApplyOutcome:
    """``seen`` is what stands behind references, where they were resolved. Raises Refused where approval is declined or impossible, and whatever ``execute`` raises."""
    options = workspace.options
    _refuse_early(plan, consent.guards, consent.allowed)
    if options.format == "text":
        show_plan(plan, options, UNGUARDED, workspace.project.root)
    if plan.changes and not consent.auto_approve:
        _ask(plan, consent.stdin_is_read)
        database = database.from_now()  # nobody knows how long a person thinks
    current = plan.revision
    unseen = consent.auto_approve and not consent.saved and not consent.allowed.undo
    terms = Terms(
        actor=actor(),
        approval=Approval(unattended=consent.auto_approve, saved=consent.saved),
        guards=consent.guards,
        allowed=consent.allowed,
        lock_timeout=consent.lock_timeout,
        revision=current,
        audit_key=writing_key(workspace, database),
        retention=workspace.project.settings.retention,
        seen=seen or {},
        told=subscribed(workspace.project.settings.destinations, APPLY),
        taken_back=workspace.taken_back(plan, database) if unseen else (),
        ask=_standing(plan, workspace, database, consent),
    )
    with options.progress.stage(f"Applying {len(plan.changes)} changes"):
        outcome = execute(plan, database, terms, options.progress.say, forked)
    _report(plan, outcome, options)
    if outcome.generation is not None:
        push_head(workspace, database)
    deliver_waiting(workspace, database)
    return outcome


def _standing(plan: Plan, workspace: Workspace, database: Database, consent: Consent) -> Callable[[], Standing] | None:
    """Return what asks about the plan's commit; only an unattended apply of a configuration is judged by it."""
    if not (consent.auto_approve and plan.changes and plan.operation == "apply") or consent.allowed.diverged:
        return None
    if plan.revision is None and git.repository_above(workspace.project.root) is None:
        return None  # outside of git nothing is checked, so nothing is read
    from reconciler.store.history import read_commits

    def warn(message: str) -> None:
        workspace.options.progress.say(message, always=True)

    commit = plan.revision.commit if plan.revision else ""

    return lambda: standing_of(plan, workspace.project.root, read_commits(database, plan.project, commit), warn)


def _refuse_early(plan: Plan, guards: Guards, allowed: Allowances) -> None:
    """No question is asked whose answer would be of no use; what is live at the time of writing is judged again."""
    reasons = [*plan.blockers, *foreseen(plan, guards, allowed)]
    if reasons:
        raise Refused(
            *(Problem(b.code, b.message, str(b.address) if b.address else None, hint=b.hint) for b in reasons)
        )


def _ask(plan: Plan, stdin_is_read: bool) -> None:
    if stdin_is_read or not sys.stdin.isatty():
        raise Refused(
            "there is nobody to ask for approval: stdin is no terminal",
            code="approval-impossible",
            hint="say --auto-approve, or review a plan first: `reconciler plan --out FILE`, `reconciler apply FILE --auto-approve`",
        )
    where = f" in {plan.environment}" if plan.environment else ""
    approve(f"\nDo you want to perform these actions{where}?")


def _word(plan: Plan, outcome: ApplyOutcome) -> str:
    if outcome.generation:
        return "applied"
    return ALREADY if plan.changes else "no_changes"


def _before(outcome: ApplyOutcome) -> str:
    if outcome.before is None:
        return "All that this plan would write is live already."
    number, apply_id = outcome.before
    return f"Somebody has applied this plan already, as generation {number} (apply {apply_id})."


def _report(plan: Plan, outcome: ApplyOutcome, options: Options) -> None:
    if options.format == "json":
        told: dict[str, Any] = {
            "format_version": "1.0",
            "outcome": _word(plan, outcome),
            "apply_id": outcome.apply_id,
            "generation": outcome.generation,
            "summary": {"add": outcome.added, "change": outcome.changed, "destroy": outcome.destroyed},
        }
        if outcome.before is not None:
            told["applied_before"] = outcome.before._asdict()
        print_beside_plan(told, "plan", plan)
        return
    if _word(plan, outcome) == ALREADY:
        click.echo(f"\nAlready applied: this command wrote nothing. {_before(outcome)}")
    click.echo(
        f"\nApply complete! Resources: {outcome.added} added, {outcome.changed} changed, {outcome.destroyed} destroyed."
    )
    if outcome.generation and not options.quiet:
        click.echo(f"Generation {outcome.generation} of project {plan.project}.")

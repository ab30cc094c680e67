"""``--check`` and ``--probe``: the references of a configuration or a plan resolved before anything is written."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from msgspec.structs import replace

from reconciler.cli.placed import with_places
from reconciler.cli.signing import ring, signing_key
from reconciler.cli.trail import writing_key
from reconciler.cli.workspace import Workspace, actor, now
from reconciler.errors import CredentialUnresolved, IntegrityFailed, Path, Problem, ReconcilerError, in_order
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.fingerprint import Fingerprints, Seen
from reconciler.model.live import DatabaseState

if TYPE_CHECKING:
    from reconciler.credentials.access_log import AccessLog
    from reconciler.credentials.check import CheckedReferences
    from reconciler.load.loaded import Loaded
    from reconciler.model.plan import Plan
    from reconciler.model.secret_ref import SecretRef
    from reconciler.secrets.fetch import Fetched, Opened
    from reconciler.secrets.policy import Policy
    from reconciler.secrets.resolve import Resolver
    from reconciler.store.url import Database

CHECK = "check"
"""What references are opened for by --check: nothing is sent anywhere."""
Bodies = Iterable[tuple[Address, Body]]
Locate = Callable[[Problem], Problem]


class Checks(NamedTuple):
    """What is asked for besides what the files say."""

    resolve: bool = False
    probe: bool = False


def checking(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the options --check and --probe, handed over as one ``checks``."""

    @click.option("--check", is_flag=True, help="Resolve every reference to a secret; exit 7 if one does not.")
    @click.option(
        "--probe",
        is_flag=True,
        help="Ask providers and HTTP APIs whether they answer to their credentials. Implies --check. A credential goes only "
        "where an apply has sent it before, or where a person at the terminal says so.",
    )
    @functools.wraps(command)
    def wrapped(check: bool, probe: bool, **rest: Any) -> Any:
        return command(checks=Checks(check or probe, probe), **rest)

    return wrapped


def run_checks(
    workspace: Workspace, environment: str | None, checks: Checks, bodies: Bodies, locate: Locate, may_ask: bool = True
) -> list[CheckedReferences]:
    """Every reference with what is behind it; none where nobody asked.

    Raises CredentialUnresolved or IntegrityFailed for those that do not resolve, ReconcilerError for what does not answer.
    """
    if not checks.resolve:
        return []
    found = resolved(workspace, environment, bodies := [*bodies])
    if error := unresolved(found, locate):
        raise error
    _warn(found, locate)
    if checks.probe:
        from reconciler.cli.probing import probe
        from reconciler.secrets.fetch import Fetched
        from reconciler.store.reading import read_live

        live = read_live(workspace.database(environment), workspace.name)
        replaced = {one.address for one in found if isinstance(one.outcome, Fetched) and one.outcome.another_for}
        meant = [(address, body) for address, body in bodies if address not in replaced]
        silent = probe(workspace, live, found, meant, may_ask and sys.stdin.isatty())
        if silent:
            raise ReconcilerError(*map(locate, silent))
    return found


def _warn(found: list[CheckedReferences], locate: Locate) -> None:
    from reconciler.credentials.check import ending, replaced, weak
    from reconciler.render.problems import problem_text
    from reconciler.render.style import Style

    for problem in in_order(map(locate, [*weak(found), *ending(found, now()), *replaced(found)])):
        click.echo(problem_text(problem, Style(False), "warning"), err=True)


def access_log(workspace: Workspace, environment: str | None, purpose: str) -> AccessLog:
    """Return the log that writes each opening of a secret into the audit trail."""
    from reconciler.credentials.access_log import AccessLog
    from reconciler.store.secrets import Actor

    database = workspace.database(environment)
    return AccessLog(database, lambda: Actor(actor(), writing_key(workspace, database)), purpose)


def resolver_of(
    workspace: Workspace, environment: str | None, purpose: str, log: AccessLog, policy: Policy | None = None
) -> Resolver:
    """Reaches nobody until something is resolved: the database too is asked only for ``encrypted://``.

    For the purpose ``CHECK`` a reference is looked at as an apply would bind it, and for every other one as it is bound.
    ``log`` counts accesses to other stores; the caller has it written. ``policy`` is the project's where none is given.
    """
    from reconciler.secrets.fetch import Outside
    from reconciler.secrets.resolve import Resolver

    project, one_at_a_time = workspace.project, threading.Lock()

    @functools.cache  # a ring with a key of Vault's logs in there: once, not for each secret
    def opened() -> Opened:
        from reconciler.credentials.keep import opener
        from reconciler.store.secrets import Actor

        database = workspace.database(environment)
        who = Actor(actor(), writing_key(workspace, database))
        return opener(database, ring(project), who, purpose, bound=purpose != CHECK)

    def sealed(tenant: str, reference: SecretRef) -> Fetched:
        with one_at_a_time:
            opens = opened()
        return opens(tenant, reference)

    outside = Outside(os.environ, float(project.settings.secrets.timeout_seconds), sealed, log.count)
    return Resolver(policy or project.secret_policy(environment), outside)


def resolved(workspace: Workspace, environment: str | None, bodies: Bodies) -> list[CheckedReferences]:
    """Every reference and what is behind it, good ones and bad ones."""
    from reconciler.credentials.check import check

    log = access_log(workspace, environment, CHECK)
    with workspace.options.progress.stage("Resolving references to secrets"):
        found = check(resolver_of(workspace, environment, CHECK, log), bodies)
    try:
        log.write(everything=True)
    except ReconcilerError as error:
        message = f"Warning: what was asked of stores of secrets is not in the audit trail: {error}"
        workspace.options.progress.say(message, always=True)
    return found


def unresolved(found: Iterable[CheckedReferences], locate: Locate) -> CredentialUnresolved | IntegrityFailed | None:
    """Return the error with every problem, in its place; None where all resolve."""
    from reconciler.credentials.check import problems

    each = in_order(map(locate, problems(found)))
    if not each:
        return None
    damaged = any(isinstance(one.outcome, IntegrityFailed) for one in found)
    return IntegrityFailed(*each) if damaged else CredentialUnresolved(*each)


def located(loaded: Loaded) -> Locate:
    """Put a problem at the line where its reference is written."""

    def locate(problem: Problem) -> Problem:
        draft = loaded.drafts.get(Address.parse(problem.address)) if problem.address else None
        return draft.locate(problem) if draft else problem

    return locate


def bodies_of(loaded: Loaded) -> Bodies:
    """Return the resources that are selected, one by one; all of them where no path was given."""
    resources = loaded.configuration.resources
    return ((a, r.body) for a, r in resources.items() if loaded.selected is None or a in loaded.selected)


def fingerprints(workspace: Workspace, found: Iterable[CheckedReferences]) -> Fingerprints:
    """Return what stands behind each reference, as far as it can be told apart."""
    from reconciler.secrets.fetch import Fetched
    from reconciler.secrets.fingerprint import mark

    key = signing_key(workspace.project)
    seen: dict[Address, dict[Path, Seen]] = {}
    for address, use, outcome in found:
        if isinstance(outcome, Fetched):
            reference = str(use.reference)
            if (told := mark(outcome, address.tenant, reference, key)) is not None:
                seen.setdefault(address, {})[use.path] = Seen(reference, told)
    return seen


def with_rotated_secrets(
    workspace: Workspace, plan: Plan, loaded: Loaded, database: Database, seen: Fingerprints
) -> Plan:
    """Return the plan, in which what has another secret behind its references is updated."""
    from reconciler.planner.secrets import rotated, with_secrets
    from reconciler.store.fingerprints import read_fingerprints

    paths = rotated(read_fingerprints(database, {address.tenant for address in seen}), seen)
    if not paths:
        return plan
    live = workspace.read_live(database, loaded)
    plan = with_secrets(plan, paths, loaded.configuration, live, workspace.selection(live, loaded))
    return replace(plan, changes=tuple(with_places(change, loaded, few=False) for change in plan.changes))


def with_reviewed_secrets(plan: Plan, database: Database) -> Plan:
    """Return the plan as it is saved: an apply refuses it when another secret stands where one does now."""
    if plan.database_state != DatabaseState.CURRENT.value:
        return plan  # there are none yet
    from reconciler.planner.secrets import with_reviewed
    from reconciler.store.bindings import read_uids

    return with_reviewed(plan, read_uids(database, {change.address.tenant for change in plan.changes}))


def keep_fingerprints(database: Database, seen: Fingerprints) -> None:
    """For what was checked by an apply that had nothing to write."""
    from reconciler.store.fingerprints import keep_alone, read_fingerprints

    known = read_fingerprints(database, {address.tenant for address in seen})
    news = {a: fields for a, fields in seen.items() if any(known.get(a, {}).get(p) != one for p, one in fields.items())}
    if news:
        keep_alone(database, news)

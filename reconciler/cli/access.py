"""``access``: what callers may do, explained for one call, and tested for many; nothing outside is asked for anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import click

from reconciler.access.expected import Verdict, verdict_of
from reconciler.access.judge import Question, explain
from reconciler.access.known import known_of
from reconciler.access.snapshot import Snapshot, snapshot_of
from reconciler.access.unknown import roles_in, unknown_of
from reconciler.cli import complete
from reconciler.cli.known import note_unknown
from reconciler.cli.options import BOTH, common_by, common_with, print_json, print_lines
from reconciler.cli.selecting import unknown_tenant
from reconciler.cli.workspace import Options, Workspace, now
from reconciler.errors import ConfigurationInvalid, Problems, UsageError
from reconciler.kinds.access_test import Case
from reconciler.kinds.table import calls_of
from reconciler.load.access_tests import cases_of
from reconciler.load.source import read_source
from reconciler.model.access import ACTIONS
from reconciler.model.status import Status
from reconciler.render.access import decision_json, decision_text, verdicts_json, verdicts_junit, verdicts_text


@click.group("access")
def command() -> None:
    """Say what callers may do, and test it."""


@command.command("explain")
@click.argument("target", metavar="TARGET")
@click.option(
    "--caller", metavar="C", required=True, shell_complete=complete.callers, help="The caller's name, or TENANT/NAME."
)
@click.option("--role", "roles", metavar="ROLE", multiple=True, help="A role that its token gives; may be repeated.")
@click.option("--claim", "claims", metavar="NAME=VALUE", multiple=True, help="A claim of its token; may be repeated.")
@click.option("--key", metavar="ID", default="", help="The id of its key, which may be frozen.")
@click.option("--action", type=click.Choice(ACTIONS), help="The action of a plane.")
@click.option("--offline", is_flag=True, help="Judge the files in place of what is live.")
@common_by("tenant", takes=BOTH)
def explain_command(
    options: Options,
    target: str,
    caller: str,
    offline: bool,
    roles: tuple[str, ...],
    claims: tuple[str, ...],
    **more: Any,
) -> int:
    """Say what would happen if a caller asked for TARGET, and why.

    TARGET is [TENANT/]template/NAME or [TENANT/]plane/NAME; the tenant may be left out where there is one only. What is live
    counts, freezes and suspensions included, unless --offline says that the files do.
    """
    workspace = Workspace(options, ())
    snapshot, status = (_of_files(workspace), None) if offline else _of_database(workspace)
    of_caller, _, name = caller.rpartition("/")
    tenant, short = _target(target, of_caller, options, workspace, snapshot)
    question = Question(name, short, more["action"], roles, _claims(claims), more["key"])
    _note_unknown(snapshot, tenant, question, "is not in the files" if offline else "is not live")
    decision = explain(snapshot.tenant(tenant), status, question, datetime.now(UTC))
    if options.format == "json":
        print_json(decision_json(question, decision, offline))
    else:
        print_lines(decision_text(question, decision, offline, options.style), options.style)
    return 0


def _note_unknown(snapshot: Snapshot, tenant: str, question: Question, is_unknown: str) -> None:
    """Say on stderr what the question names and nothing has: the answer is a denial, whatever policies say."""
    own = snapshot.tenant(tenant)
    named = [("tenant", tenant, [*snapshot.tenants])]
    if tenant in snapshot.tenants:
        named.append(("caller", question.caller, [name.partition("/")[2] for name in own.names("caller")]))
        named.append(("target", question.target, [*own.resources]))
        named += (("role", role, [*roles_in(own)]) for role in question.roles)
    for what, name, known in named:
        note_unknown(what, name, known, is_unknown=is_unknown)


def _claims(given: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the token's claims, None where none are named. Raises UsageError."""
    found = dict(one.split("=", 1) for one in given if "=" in one)
    if len(found) < len(given):
        raise UsageError("a claim is NAME=VALUE, and given once", hint="e.g. `--claim email=ada@example.com`")
    return found or None


@command.command("test")
@click.argument("files", nargs=-1, metavar="FILE...", required=True, shell_complete=complete.files)
@common_with("junit", narrowing=("tenant",))
def test_command(options: Options, files: tuple[str, ...]) -> int:
    """Hold the `access_tests` of FILEs against the policies of the project's files; exit 1 if one fails.

    Neither a database nor anything else is asked.
    """
    workspace = Workspace(options, ())
    snapshot, problems = _of_files(workspace), Problems()
    cases: list[Case] = []
    for file in files:
        source = read_source(Path(file), problems)
        if source is not None:
            cases += cases_of(source, workspace.project.settings.default_tenant, problems)
    for tenant in options.tenants:
        if tenant not in (tested := {case.tenant for case in cases}):
            raise unknown_tenant(tenant, tested, "is in none of these tests")
    cases = [case for case in cases if not options.tenants or case.tenant in options.tenants]
    unknown = unknown_of(cases, snapshot, _elsewhere(workspace))
    problems.found += unknown.problems
    problems.raise_if_any()
    if not cases:
        raise UsageError("these files hold no `access_tests`", hint="see `reconciler explain`, or docs/access.md")
    skipped = unknown.skipped
    verdicts = [
        Verdict(case, None, skipped[number]) if number in skipped else verdict_of(case, snapshot)
        for number, case in enumerate(cases)
    ]
    if options.format == "json":
        print_json(verdicts_json(verdicts))
    elif options.format == "junit":
        click.echo(verdicts_junit(verdicts))
    else:
        print_lines(verdicts_text(verdicts, options.style), options.style)
    return int(any(verdict.passed is False for verdict in verdicts))


def _today() -> date:
    return now().date()


def _of_files(workspace: Workspace) -> Snapshot:
    """Whatever agents can't be served too: that is what explanations and tests tell."""
    return snapshot_of(known_of(workspace.load(workspace.environment(required=True)).configuration), today=_today)


def _elsewhere(workspace: Workspace) -> Callable[[], Iterator[tuple[str, Snapshot]]]:
    """Return the project's other environments, each read when it is first asked for; an invalid one says nothing."""

    @cache
    def read(environment: str) -> Snapshot | None:
        with suppress(ConfigurationInvalid):
            return snapshot_of(known_of(workspace.load(environment).configuration), today=_today)
        return None

    def found() -> Iterator[tuple[str, Snapshot]]:
        for name in workspace.environments:
            if name != workspace.options.env and (snapshot := read(name)) is not None:
                yield name, snapshot

    return found


def _of_database(workspace: Workspace) -> tuple[Snapshot, Status]:
    from reconciler.store.watch import look

    world = look(workspace.database(workspace.environment(required=True)))
    return snapshot_of(world.known, world.generations, _today), world.status


def _target(text: str, of_caller: str, options: Options, workspace: Workspace, snapshot: Snapshot) -> tuple[str, str]:
    """Return the tenant and ``kind/name``: as it is written, as the caller is, as --tenant says, or the only one."""
    parts = text.split("/")
    is_target = parts[0] in calls_of() and parts[0] not in snapshot.tenants
    whole = parts[0] if len(parts) > 2 and not is_target else ""
    if len({*options.tenants, of_caller, whole} - {""}) > 1:
        raise UsageError(f"{text}, its caller and --tenant name different tenants", hint="name one tenant")
    if whole:
        return whole, "/".join(parts[1:])
    named = [of_caller] if of_caller else [*options.tenants] or [workspace.project.settings.default_tenant or ""]
    tenants = [name for name in named if name] or [*snapshot.tenants]
    if len(parts) < 2 or len(tenants) != 1:
        forms = " or ".join(f"TENANT/{word}/NAME" for word in calls_of())
        raise UsageError(
            f"{text} names no target of a tenant",
            hint=f"write {forms}, or name the tenant by --tenant",
        )
    return tenants[0], text

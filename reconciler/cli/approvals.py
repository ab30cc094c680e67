"""``approvals``: calls that wait for a person, listed, shown with their values, approved and denied."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.evidence import STORE
from reconciler.cli.freeze import parse_reason
from reconciler.cli.options import common_by, print_json, print_lines
from reconciler.cli.serve import own_store
from reconciler.cli.surroundings import project_settings
from reconciler.cli.workspace import Options, Workspace, actor
from reconciler.committed import Fate, Write, record
from reconciler.diff.visible import visible
from reconciler.errors import ReconcilerError
from reconciler.load.notifications import destinations_of
from reconciler.load.project import SERVE_FILE
from reconciler.render.table import table

if TYPE_CHECKING:
    from reconciler.runtime.ledger.approvals import Waiting
    from reconciler.runtime.ledger.decisions import Verdict
    from reconciler.store.url import Database

ROLES_VARIABLE = "RECONCILER_ROLES"
STATES = ("pending", "approved", "denied", "used", "expired")
ID = click.argument("identity", metavar="ID")
REASON = click.option("--reason", metavar="TEXT", required=True, help="Why; it stands in the audit trail.")
ROLE = click.option(
    "--role",
    "roles",
    metavar="ROLE",
    multiple=True,
    help=f"A role that you decide by; may be repeated (also {ROLES_VARIABLE}, separated by commas).",
)

CONFIG = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"The server's own settings, which name the destinations of events; default: {SERVE_FILE} in the project.",
)


@click.group("approvals")
def command() -> None:
    """List calls that wait for an approval, and decide on them."""


@command.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many, the newest first."
)
@STORE
@common_by("tenant")
def list_command(options: Options, state: str | None, limit: int, store: str | None) -> int:
    """List calls that wait, or waited, for an approval, the newest first."""
    from reconciler.runtime.ledger.approvals import listed
    from reconciler.runtime.ledger.decisions import document

    found = [document(one) for one in listed(own_store(options, store), options.tenants, limit, state=state)]
    if options.format == "json":
        print_json({"format_version": "1.0", "approvals": found})
    elif not found:
        click.echo("No calls wait for an approval.")
    else:
        heads = ("asked", "caller", "target", "by", "state", "expires", "id")
        print_lines(table(heads, map(_row, found)), options.style)
    return 0


@command.command("show")
@ID
@STORE
@common_by("tenant")
def show_command(options: Options, identity: str, store: str | None) -> int:
    """Show one request, with the values of the call while they are kept. That takes the key that sealed them."""
    from reconciler.runtime.ledger.decisions import document

    found = _get(options, identity, store)
    shown = {**document(found), "arguments": _arguments(options, found)}
    if options.format == "json":
        print_json({"format_version": "1.0", **shown})
    else:
        print_lines(_lines(shown), options.style)
    return 0


@command.command("approve")
@ID
@REASON
@ROLE
@CONFIG
@STORE
@common_by("tenant")
def approve_command(options: Options, identity: str, reason: str, **more: Any) -> int:
    """Approve a call: its caller may run it once, with the values that `approvals show` prints."""
    return _decide(options, identity, _verdict(True, reason), **more)


@command.command("deny")
@ID
@REASON
@ROLE
@CONFIG
@STORE
@common_by("tenant")
def deny_command(options: Options, identity: str, reason: str, **more: Any) -> int:
    """Deny a call: it does not run, and its caller is told so."""
    return _decide(options, identity, _verdict(False, reason), **more)


def _verdict(approved: bool, reason: str) -> Verdict:
    from reconciler.runtime.ledger.decisions import Verdict

    return Verdict(approved, parse_reason(reason))


def _decide(
    options: Options, identity: str, verdict: Verdict, roles: tuple[str, ...], config: Path | None, store: str | None
) -> int:
    from reconciler.runtime.ledger.decisions import Decider, document, file_decisions, settle_request

    workspace, database = Workspace(options, ()), own_store(options, store)
    control = workspace.database(workspace.environment(required=True))
    named = {*roles, *(one.strip() for one in os.environ.get(ROLES_VARIABLE, "").split(",") if one.strip())}
    destinations = destinations_of(project_settings(workspace, config).file.notifications)
    write = record(Write("the decision", None))
    found = settle_request(
        database, identity, options.tenants, Decider(actor(), frozenset(named)), verdict, destinations
    )
    write.fate = Fate.WRITTEN
    filed = _file(workspace, database, control, file_decisions)
    if options.format == "json":
        print_json({"format_version": "1.0", **document(found)})
    else:
        request = found.request
        what = f"{request.action} {visible(request.target)}"
        until = f" It may run until {document(found)['expires']}." if verdict.approved else ""
        click.echo(f"{'Approved' if verdict.approved else 'Denied'}: {visible(request.caller)} to {what}.{until}")
    if not filed:
        click.echo("It is in force. Its audit entry follows: an apply holds the audit trail.", err=True)
    return 0


def _file(workspace: Workspace, store: Database, control: Database, file_decisions: Any) -> bool:
    from reconciler.cli.trail import writing_key

    with suppress(ReconcilerError):
        file_decisions(store, control, writing_key(workspace, control))
        return True
    return False


def _get(options: Options, identity: str, store: str | None) -> Waiting:
    from reconciler.runtime.ledger.approvals import get
    from reconciler.runtime.ledger.reading import is_id

    found = get(own_store(options, store), identity, options.tenants) if is_id(identity) else None
    if found is None:
        hint = "see `reconciler approvals list`"
        raise ReconcilerError(f"there is no request {identity!r}", code="unknown-approval", hint=hint)
    return found


def _arguments(options: Options, found: Waiting) -> dict[str, Any] | None:
    """Return the values of a call; None once they are not kept any more, and without the key that sealed them."""
    from reconciler.cli.signing import ring
    from reconciler.runtime.approvals import opened

    held = ring(Workspace(options, ()).project) if found.request.sealed else None
    return opened(found, held).arguments if held is not None else None


def _lines(shown: dict[str, Any]) -> Iterator[str]:
    width = max(map(len, shown))
    for key, value in shown.items():
        text = ", ".join(value) if isinstance(value, list) else "" if value is None else value
        text = json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict) else str(text)
        yield f"{key.ljust(width)}  {visible(text)}".rstrip()


def _row(one: dict[str, Any]) -> list[str]:
    roles = " or ".join(one["roles"]) or "any operator"
    caller = f"{one['tenant']}/{one['caller']}"
    return [one["asked"], caller, f"{one['action']} {one['target']}", roles, one["state"], one["expires"], one["id"]]

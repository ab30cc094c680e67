"""``freeze``: a target taken out of use at once, everywhere, until somebody lifts it."""

from __future__ import annotations

import click

from reconciler.cli.known import require_tenants
from reconciler.cli.options import common_by, print_json, print_lines, refuse_narrowing
from reconciler.cli.secrets.place import place
from reconciler.cli.workspace import Options
from reconciler.errors import UsageError
from reconciler.kinds.freezing import forms, is_freeze_target, reason_of, tenant_of
from reconciler.model.status import FreezeEntry
from reconciler.render.table import table

STATES = {"in-force": "in force", "waiting": "nothing has this name yet", "ended": "gone"}


@click.command("freeze")
@click.argument("target", metavar="TARGET", required=False)
@click.option("--reason", metavar="TEXT", help="Why; it stands in the audit trail.")
@click.option("--allow-unknown", is_flag=True, help="Freeze a name ahead of time, before anything has it.")
@click.option("--list", "lists", is_flag=True, help="List what is frozen: since when, by whom, and why.")
@common_by("tenant")
def command(options: Options, target: str | None, reason: str | None, allow_unknown: bool, lists: bool) -> int:
    """Take TARGET out of use, in force everywhere within a second.

    TARGET is `platform`, `tenant/NAME`, `key/ID`, or TENANT/KIND/NAME of a resource or a tool. What runs is cancelled.

    No apply lifts a freeze: it follows the resource through renames and replacements, until `reconciler unfreeze`. A
    freeze ahead of time stays on the name. A resource that is deleted, and later made anew, is a new one, and not frozen.
    """
    from reconciler.store.status import freeze, freezes

    if lists:
        if target is not None or reason is not None:
            raise UsageError("--list takes no TARGET and no --reason")
        where = place(options)
        entries = freezes(where.database)
        require_tenants(where.workspace, {tenant for one in entries if (tenant := tenant_of(one.freeze.target))})
        show(options, entries)
        return 0
    refuse_narrowing(options, when=" TARGET")
    if target is None or reason is None:
        raise UsageError("expected TARGET and --reason TEXT", hint="or --list, to see what is frozen")
    where = place(options)
    done = freeze(where.database, parse_target(target), parse_reason(reason), where.decider, allow_unknown)
    filed = where.file_decisions()
    report(options, target, "frozen", done)
    mention_pending(filed)
    return 0


def parse_target(text: str) -> str:
    """Return the target as it is. Raises UsageError for a text of another form."""
    if not is_freeze_target(text):
        raise UsageError(f"{text} is nothing that can be frozen", code="invalid-target", hint=f"expected {forms()}")
    return text


def parse_reason(text: str) -> str:
    """Return the reason. Raises UsageError for a blank one."""
    reason = reason_of(text)
    if reason is None:
        raise UsageError("expected a reason", hint="--reason TEXT; it stands in the audit trail")
    return reason


def report(options: Options, target: str, word: str, done: bool) -> None:
    """Print what became of a target: as JSON, or as a sentence."""
    if options.format == "json":
        print_json({"format_version": "1.0", "target": target, "state": word, "changed": done})
    else:
        click.echo(f"{target} is {word} now." if done else f"{target} was {word} already.")


def mention_pending(filed: bool) -> None:
    """Print that the audit entry follows, where a decision is only filed."""
    if not filed:
        click.echo("It is in force. Its audit entry follows: an apply holds the audit trail.", err=True)


def show(options: Options, entries: list[FreezeEntry]) -> None:
    """Print freezes by the names that their targets have now, narrowed by --tenant."""
    chosen = [one for one in entries if not options.tenants or tenant_of(one.freeze.target) in options.tenants]
    if options.format == "json":
        print_json({"format_version": "1.0", "freezes": [one.document() for one in chosen]})
    elif chosen:
        rows = [[_name(one), *(_since(one)), STATES[one.state], one.freeze.reason] for one in chosen]
        print_lines(table(("target", "since", "by", "state", "reason"), rows), options.style)
    else:
        click.echo("Nothing is frozen.")


def _name(entry: FreezeEntry) -> str:
    target = entry.freeze.target
    return target if entry.address in {None, target} else f"{entry.address} (frozen as {target})"


def _since(entry: FreezeEntry) -> tuple[str, str]:
    return entry.freeze.frozen_at, entry.freeze.frozen_by

"""``evidence``: what agents did and what they were refused, read back."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from reconciler.cli.known import KnownNames, note_unknown, note_unknown_tenants
from reconciler.cli.options import STORE_VARIABLE, common_by, print_json
from reconciler.cli.serve import not_installed, store_of
from reconciler.cli.workspace import Options, Workspace
from reconciler.committed import Fate, Write, record
from reconciler.errors import ReconcilerError
from reconciler.render.table import table

STORE = click.option("--store", metavar="URL", help=f"The runtime's own database (also {STORE_VARIABLE}).")


@click.group("evidence")
def command() -> None:
    """Read what agents did, and what they were refused."""


@command.command("list")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many, the newest first."
)
@click.option("--caller", metavar="C", help="Of this caller only.")
@STORE
@common_by("tenant")
def list_command(options: Options, limit: int, caller: str | None, store: str | None) -> int:
    """List evidence, the newest first. --tenant narrows it."""
    from reconciler.runtime.ledger.reading import evidence

    found = evidence(_database(options, store), options.tenants, limit, caller=caller)
    workspace = Workspace(options, ())
    note_unknown_tenants(workspace, {one["tenant"] for one in found})
    if caller is not None and not found:
        note_unknown("caller", caller, KnownNames(workspace).callers(options.tenants))
    if options.format == "json":
        print_json({"format_version": "1.0", "evidence": found})
    elif not found:
        click.echo("There is no evidence.")
    else:
        heads = ("requested", "caller", "target", "decision", "outcome", "rows", "ms", "id")
        click.echo("\n".join(table(heads, map(_row, found))))
    return 0


@command.command("show")
@click.argument("identity", metavar="ID")
@STORE
@common_by("tenant")
def show_command(options: Options, identity: str, store: str | None) -> int:
    """Show one piece of evidence whole: who, what, by which policy and generation, and what came of it."""
    from reconciler.runtime.ledger.reading import one

    found = one(_database(options, store), identity, options.tenants)
    if found is None:
        raise ReconcilerError(
            f"there is no evidence {identity}", code="unknown-evidence", hint="see `reconciler evidence list`"
        )
    if options.format == "json":
        print_json({"format_version": "1.0", **found})
    else:
        width = max(map(len, found))
        for key, value in found.items():
            click.echo(f"{key.ljust(width)}  {'' if value is None else value}")
    return 0


@command.command("prepare")
@click.option(
    "--keep-days", type=click.IntRange(min=1), metavar="N", help="Remove what is older. Without it, nothing is removed."
)
@STORE
@common_by()
def prepare_command(options: Options, keep_days: int | None, store: str | None) -> int:
    """Make the store's tables and partitions, as their owner.

    A server whose role owns nothing there can add evidence and can't remove any: then this is what an owner runs, once
    before the first start and after each upgrade, and every day.
    """
    try:
        from reconciler.runtime.running import prepare
    except ModuleNotFoundError as error:
        raise not_installed(error) from None
    database = _database(options, store)
    write = record(Write("the store of evidence", None))
    try:
        unknown = asyncio.run(prepare(database, keep_days))
        write.fate = Fate.WRITTEN
    except KeyboardInterrupt:
        write.fate = Fate.UNKNOWN  # it makes tables and partitions one by one; to run it again is safe
        raise
    if options.format == "json":
        print_json({"format_version": "1.0", "store": database.display, "unknown": unknown})
    else:
        click.echo(f"{database.display} is ready.")
        if unknown:
            click.echo(f"Calls without an outcome that read `unknown` from now on: {unknown}.")
    return 0


def _database(options: Options, store: str | None) -> Any:
    return store_of(store, None, Workspace(options, ()).project.root)


def _row(one: dict[str, Any]) -> list[str]:
    outcome = one.get("outcome") or one.get("reason", "")
    cells = (one["requested"], f"{one['tenant']}/{one['caller']}", one["target"], one["decision"], outcome)
    return [*cells, *("" if one.get(key) is None else str(one[key]) for key in ("rows", "duration_ms")), one["id"]]

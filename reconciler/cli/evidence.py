"""``evidence``: what agents did and what they were refused, read back."""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import Any

import click

from reconciler.cli.db_verify import FAILED
from reconciler.cli.known import KnownNames, note_unknown, note_unknown_tenants
from reconciler.cli.options import STORE_VARIABLE, common_by, print_json
from reconciler.cli.serve import own_store
from reconciler.cli.signing import signing_key
from reconciler.cli.workspace import Options, Workspace, actor
from reconciler.committed import Fate, Write, record
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model.audit import Actor
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
@click.option("--outcome", metavar="WORD", help="success, failure, timeout, blocked, unknown, running or denied.")
@click.option("--run", metavar="ID", help="Of this run only, as agents name it by X-Run-Id.")
@click.option("--from", "from_", metavar="MOMENT", help="Not older than this (ISO 8601, UTC where it has no offset).")
@click.option("--to", metavar="MOMENT", help="Older than this.")
@STORE
@common_by("tenant", "target")
def list_command(
    options: Options, limit: int, store: str | None, caller: str | None, from_: str | None, **narrowing: str | None
) -> int:
    """List evidence, the newest first. --tenant and --target (TENANT/template/NAME, or as evidence names it) narrow it."""
    from reconciler.runtime.ledger.narrowing import NotNarrowing, narrowed
    from reconciler.runtime.ledger.reading import evidence

    tenants, target = _asked_target(options)
    try:
        asks = narrowed({"caller": caller, "target": target, "from": from_, **narrowing})
    except NotNarrowing as error:
        raise UsageError(f"--{error.name}: {error}") from None
    found = evidence(own_store(options, store), tenants, limit, narrowed=asks)
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

    found = one(own_store(options, store), identity, options.tenants)
    if found is None:
        raise ReconcilerError(
            f"there is no evidence {identity}", code="unknown-evidence", hint="see `reconciler evidence list`"
        )
    if options.format == "json":
        print_json({"format_version": "1.0", **found})
    else:
        width = max(map(len, found))
        for key, value in found.items():
            click.echo(f"{key.ljust(width)}  {_shown(value)}".rstrip())
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
    from reconciler.runtime.ledger.reading import tables
    from reconciler.runtime.parts import prepare

    database = own_store(options, store)
    write = record(Write("the store of evidence", None))
    before = tables(database)
    try:
        unknown = asyncio.run(prepare(database, keep_days))
        write.fate = Fate.WRITTEN
    except KeyboardInterrupt:
        # it makes tables and partitions one by one, and removes what is too old: to run it again is safe
        after = tables(database)
        known = before is not None and after is not None and keep_days is None
        write.fate = Fate.UNKNOWN if not known else Fate.NOT_WRITTEN if after == before else Fate.WRITTEN
        raise
    if options.format == "json":
        print_json({"format_version": "1.0", "store": database.display, "unknown": unknown})
    else:
        click.echo(f"{database.display} is ready.")
        if unknown:
            click.echo(f"Calls without an outcome that read `unknown` from now on: {unknown}.")
    return 0


@command.command("rollup")
@click.option("--rebuild", is_flag=True, help="Count days anew, of which all evidence is there.")
@click.option(
    "--keep-aggregates-days", type=click.IntRange(min=1), metavar="N", help="Remove aggregates that are older."
)
@STORE
@common_by()
def rollup_command(options: Options, rebuild: bool, keep_aggregates_days: int | None, store: str | None) -> int:
    """Count closed hours by day, as the store's owner, and write their digests into the audit trail.

    A server whose role owns the store does it by itself. To run it again, or in several places, counts nothing twice.
    """
    from reconciler.runtime.ledger import rollup
    from reconciler.runtime.ledger.digests import file_hours
    from reconciler.runtime.parts import prepare

    database, workspace = own_store(options, store), Workspace(options, ())
    control = workspace.database(workspace.environment(required=True))
    asyncio.run(prepare(database, None))  # settles calls without an outcome: else their hours stay open
    rebuilt = rollup.rebuild(database) if rebuild else None
    hours = [*chain.from_iterable(iter(lambda: rollup.roll_up(database), []))]
    filed = file_hours(database, control, Actor(actor(), signing_key(workspace.project)))
    if keep_aggregates_days is not None:
        rollup.forget(database, keep_aggregates_days)
    if options.format == "json":
        days = (
            {"rebuilt": [*map(rollup.day_of, rebuilt.days)], "left": [*map(rollup.day_of, rebuilt.left)]}
            if rebuilt
            else {}
        )
        print_json({"format_version": "1.0", "hours": len(hours), "filed": filed, **days})
        return 0
    click.echo(f"Hours counted: {len(hours)}; written into the audit trail: {filed}.")
    if rebuilt is not None:
        click.echo(f"Days counted anew: {len(rebuilt.days)}.")
        for day in rebuilt.left:
            click.echo(f"Left as it was, since evidence of it is gone or was changed: {rollup.day_of(day)}.")
    return 0


@command.command("verify")
@click.option("--from", "from_", metavar="MOMENT", help="From this hour on (ISO 8601): evidence of it has to be there.")
@click.option("--to", metavar="MOMENT", help="Up to this hour, without it.")
@STORE
@common_by()
def verify_command(options: Options, from_: str | None, to: str | None, store: str | None) -> int:
    """Hold evidence and its aggregates against the digests in the audit trail; exit 8 if something was changed or is gone.

    Without --from it begins with the oldest evidence that is kept whole. `reconciler audit verify` proves the trail itself.
    """
    from reconciler.runtime.ledger.digests import Window, verify
    from reconciler.runtime.ledger.narrowing import NotNarrowing, moment_of

    try:
        since, until = (
            None if text is None else int(moment_of(word, text) // 3600) for word, text in (("from", from_), ("to", to))
        )
    except NotNarrowing as error:
        raise UsageError(f"--{error.name}: {error}") from None
    workspace = Workspace(options, ())
    control = workspace.database(workspace.environment(required=True))
    check = verify(own_store(options, store), control, Window(since, until))
    is_good = check.state == "ok"
    if options.format == "json":
        print_json({"format_version": "1.0", "valid": is_good, "summary": check.summary, "found": check.found, "findings": [*check.findings]})  # fmt: skip
    else:
        click.echo(f"{'The evidence holds' if is_good else 'The evidence does not hold'}: {check.summary}.")
        for finding in check.findings:
            click.echo(f"- {finding}")
        if check.found > len(check.findings):
            click.echo(f"- and {check.found - len(check.findings)} more")
    return 0 if is_good else FAILED


def _asked_target(options: Options) -> tuple[tuple[str, ...], str | None]:
    """Return tenants, and the target in them: an address says both. Raises UsageError."""
    if not options.targets:
        return options.tenants, None
    if len(options.targets) > 1:
        raise UsageError("expected one --target at most")
    tenant, _, name = options.targets[0].partition("/")
    if "/" not in name:
        return options.tenants, options.targets[0]
    if options.tenants and tenant not in options.tenants:
        raise UsageError(f"--target is of the tenant {tenant}, which no --tenant names")
    return (tenant,), name


def _shown(value: Any) -> str:
    """Return a value as one line: a path is its addresses, the named target first."""
    if isinstance(value, list):
        return ", ".join(str(one["address"]) if isinstance(one, dict) else str(one) for one in value)
    return "" if value is None else str(value)


def _row(one: dict[str, Any]) -> list[str]:
    outcome = one.get("outcome") or one.get("reason", "")
    cells = (one["requested"], f"{one['tenant']}/{one['caller']}", one["target"], one["decision"], outcome)
    return [*cells, *("" if one.get(key) is None else str(one[key]) for key in ("rows", "duration_ms")), one["id"]]

"""``usage``: calls of models summed up; what was billed too much, and acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.evidence import STORE
from reconciler.cli.known import note_unknown_tenants
from reconciler.cli.options import common_by, print_json
from reconciler.cli.serve import own_store
from reconciler.cli.workspace import Options, Workspace, actor
from reconciler.committed import Fate, Write, record
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model.address import is_name
from reconciler.render.table import table

if TYPE_CHECKING:
    from reconciler.runtime.ledger.overshoots import Overshoot
    from reconciler.runtime.ledger.usage_sums import UsageSum


@click.command("usage")
@click.option(
    "--by",
    type=click.Choice(("caller", "model", "route", "integration", "day")),
    default="day",
    show_default=True,
    help="What is summed up together.",
)
@click.option("--caller", metavar="C", help="Of this caller only.")
@click.option("--from", "from_", metavar="MOMENT", help="Not older than this (ISO 8601, UTC where it has no offset).")
@click.option("--to", metavar="MOMENT", help="Older than this.")
@click.option(
    "--acknowledge", metavar="ADDRESS", help="Let TENANT/integration/NAME, which was billed too much, be used again."
)
@STORE
@common_by("tenant")
def command(options: Options, by: Any, acknowledge: str | None, store: str | None, **narrowing: str | None) -> int:
    """Sum up calls of models: tokens, cost and how long they took.

    A provider that bills more than a call had reserved is charged, and its integration waits under limits of tokens and cost until
    --acknowledge says that somebody has seen it.
    """
    database = own_store(options, store)
    if acknowledge is not None:
        return _acknowledge(options, database, acknowledge)
    from reconciler.runtime.ledger.narrowing import NotNarrowing, moment_of
    from reconciler.runtime.ledger.overshoots import overshoots
    from reconciler.runtime.ledger.usage_sums import Asked, usage_sums

    words = {"from": narrowing["from_"], "to": narrowing["to"]}
    try:
        since, until = (None if text is None else moment_of(word, text) for word, text in words.items())
    except NotNarrowing as error:
        raise UsageError(f"--{error.name}: {error}") from None
    found = usage_sums(database, Asked(by, options.tenants, since or 0.0, until, narrowing["caller"]))
    above = overshoots(database, options.tenants)
    note_unknown_tenants(Workspace(options, ()), {one["tenant"] for one in found})
    if options.format == "json":
        print_json({"format_version": "1.0", "by": by, "usage": found, "overshoots": above})
        return 0
    heads = (by, "tenant", "source", "calls", "failed", "in", "cached", "out", "cost", "p50 ms", "p95 ms", "p99 ms")
    click.echo("\n".join(table(heads, map(_row, found))) if found else "No model was called.")
    for one in above:
        click.echo(_sentence(one))
    return 0


def _acknowledge(options: Options, database: Any, address: str) -> int:
    from reconciler.runtime.ledger.overshoots import acknowledge

    tenant, _, name = address.partition("/")
    kind, _, rest = name.partition("/")
    if kind != "integration" or not is_name(tenant) or not is_name(rest):
        raise UsageError("--acknowledge: expected TENANT/integration/NAME")
    write = record(Write(f"the acknowledgement of {address}", None))
    n = acknowledge(database, tenant, name, actor())
    write.fate = Fate.WRITTEN if n else Fate.NOT_WRITTEN
    if not n:
        raise ReconcilerError(
            f"{address} was not billed too much, or all of it is acknowledged",
            code="unknown-target",
            hint="see `reconciler usage`",
        )
    if options.format == "json":
        print_json({"format_version": "1.0", "address": address, "acknowledged": n})
    else:
        click.echo(f"{address} is used under limits again; tries that were billed too much: {n}.")
    return 0


def _row(one: UsageSum) -> list[str]:
    cost = f"${one['cost_usd']:,.6f}" + (f" + {one['unpriced']} unknown" if one["unpriced"] else "")
    times = [str(one["latency_ms"].get(f"p{percent}", "")) for percent in (50, 95, 99)]
    counts = (f"{one[name]:,}" for name in ("calls", "failed", "tokens_in", "cached", "tokens_out"))
    return [one["key"], one["tenant"], one["source"], *counts, cost, *times]


def _sentence(one: Overshoot) -> str:
    address = f"{one['tenant']}/{one['integration']}"
    return (
        f"{address} ({one['model']}) was billed {one['tokens']:,} tokens and ${one['cost_usd']:,.6f} for a call that had reserved "
        f"{one['tokens_reserved']:,} and ${one['cost_reserved_usd']:,.6f}: it waits under limits until "
        f"`reconciler usage --acknowledge {address}`."
    )

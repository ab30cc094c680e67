"""``status``: what is in force, how well it is, and how it is used."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import complete
from reconciler.cli.evidence import STORE
from reconciler.cli.known import not_live, require_tenants
from reconciler.cli.list import kind_named
from reconciler.cli.options import STORE_VARIABLE, common_by, print_json, print_lines
from reconciler.cli.serve import store_of
from reconciler.cli.workspace import Options, Workspace
from reconciler.diff.visible import visible
from reconciler.errors import ReconcilerError, UsageError
from reconciler.model.address import Address
from reconciler.render.table import table

if TYPE_CHECKING:
    from reconciler.runtime.status import ResourceStatus
    from reconciler.store.url import Database

HEADS = ("address", "state", "health", "last used", "calls 24h", "errors 24h", "notes")


@click.command("status")
@click.argument("what", metavar="[ADDRESS|KIND]", required=False, shell_complete=complete.files_or_addresses)
@STORE
@common_by("tenant")
def command(options: Options, what: str | None, store: str | None) -> int:
    """Say how live resources are: in force, drifted, frozen, suspended, healthy, used.

    Health, use and limits come from the runtime's store, where its URL is given. Each state and its rule is in
    docs/status.md.
    """
    from reconciler.runtime.status import is_about

    workspace = Workspace(options, ())
    address, kind = _asked(what)
    database = workspace.database(workspace.environment(required=True))
    found = [
        one
        for one in statuses(workspace, database, store)
        if is_about(one, address, kind) and (not options.tenants or one["address"].split("/")[0] in options.tenants)
    ]
    require_tenants(workspace, {one["address"].split("/")[0] for one in found})
    if address is not None and not found:
        raise not_live(address, database)
    if options.format == "json":
        print_json({"format_version": "1.0", "status": found})
    elif address is not None:
        print_lines(_whole(found[0]), options.style)
    elif found:
        print_lines(table(HEADS, map(_row, found)), options.style)
    elif not options.quiet:
        click.echo("Nothing is live here.", err=True)
    return 0


def statuses(workspace: Workspace, database: Database, store: str | None) -> list[ResourceStatus]:
    """Return the status of every live resource. Raises ReconcilerError."""
    from reconciler.access.snapshot import snapshot_of
    from reconciler.runtime.observing import decided_of, limits_of, observed_of
    from reconciler.runtime.status import Observed, statuses_of
    from reconciler.store.watch import look

    world, now = look(database), time.time()
    snapshot = snapshot_of(world.known, world.generations)
    observed = Observed()
    if store or os.environ.get(STORE_VARIABLE):
        own = store_of(store, workspace.project.root)
        observed = observed_of(own, (), limits_of(own, snapshot, now))
    decided = decided_of(database, world.status)
    return [
        one
        for _, tenant in sorted(snapshot.tenants.items())
        for one in statuses_of(tenant, world.generations, decided, observed, now)
    ]


def words_of(database: Database, root: Path) -> dict[tuple[str, str], list[str]]:
    """Return what is not well, in words, by tenant and uid: suspensions, errors, and health where a runtime's store is named.

    A store that can't be read is reported on stderr. Raises ReconcilerError for the database.
    """
    from reconciler.runtime.ledger.health_rows import health_of
    from reconciler.runtime.status import health_words
    from reconciler.store.suspensions import read_noted

    noted = read_noted(database)
    found = {key: [f"suspended {words}"] for key, words in noted.suspended.items()}
    for key, error in noted.errors.items():
        found.setdefault(key, []).append(f"in error: {error}")
    if os.environ.get(STORE_VARIABLE):
        try:
            health = health_of(store_of(None, root))
        except ReconcilerError as error:
            click.echo(f"Health is not known: {error}.", err=True)
            health = {}
        for key, standing in health.items():
            if words := health_words(standing):
                found.setdefault(key, []).append(words)
    return found


def _asked(what: str | None) -> tuple[Address | None, str | None]:
    """Return the address or the kind that was asked for. Raises UsageError."""
    if what is None or "/" not in what:
        return None, kind_named(what)
    try:
        return Address.parse(what), None
    except ValueError as error:
        raise UsageError(f"{what!r} is neither an address nor a kind", hint=str(error)) from None


def _row(one: ResourceStatus) -> list[str]:
    from reconciler.runtime.status import notes_of

    health = one["health"]
    counts = (one["calls_24h"], one["errors_24h"])
    return [
        one["address"],
        one["state"] or "-",
        health["state"] if health is not None else "-",
        one["last_used"] or "-",
        *("-" if count is None else f"{count:,}" for count in counts),
        "; ".join(notes_of(one)) or "-",
    ]


def _whole(one: ResourceStatus) -> Iterator[str]:
    from reconciler.runtime.status import notes_of

    yield f"# {one['address']}"
    yield (
        f"in force    generation {one['generation']} of {one['project']}"
        if one["project"]
        else "in force    made by hand"
    )
    if one["state"]:
        yield f"state       {one['state']}: {one['because']}"
    if health := one["health"]:
        took = f", {health['latency_ms']} ms" if health["latency_ms"] is not None else ""
        yield f"health      {health['state']} since {health['since']}, checked {health['checked']}: {health['reason']}{took}"
    yield f"last used   {one['last_used'] or 'not known'}"
    if one["calls_24h"] is not None:
        yield f"24 hours    {one['calls_24h']:,} calls, {one['errors_24h']:,} errors"
    if messages := one["messages"]:
        yield f"messages    {messages['waiting']:,} waiting, {messages['dead']:,} dead within a week"
    for limit in one["limits"]:
        per = f" per {limit['period']}" if limit["period"] else ""
        yield f"limit       {limit['used']:,} of {limit['limit']:,} {limit['unit']}{per}"
    for note in notes_of(one):
        yield f"note        {visible(note)}"

"""``secrets list|show|expiring|access-log``: what is known of secrets, and never a value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import click

from reconciler.cli import complete
from reconciler.cli.known import note_unknown, note_unknown_tenants, require_tenants
from reconciler.cli.options import common_by, print_json, refuse_narrowing
from reconciler.cli.secrets.place import parse_name, place
from reconciler.cli.secrets.values import as_json
from reconciler.cli.workspace import Options, now
from reconciler.model.secret_ref import SecretRef
from reconciler.model.stored_secret import PARTS, StoredSecret
from reconciler.render.sentence import one_line
from reconciler.render.table import table


@click.command("list")
@click.option("--rotatable", is_flag=True, help="Only those with an interval for rotation, and when a value is due.")
@common_by("tenant")
def list_command(options: Options, rotatable: bool) -> int:
    """List secrets by tenant and name: type, version, key, who and when. --tenant narrows it."""
    from reconciler.store.secrets import listed

    where = place(options)
    secrets = listed(where.database, options.tenants)
    require_tenants(where.workspace, {secret.tenant for secret in secrets})
    secrets = [secret for secret in secrets if secret.rotate_days or not rotatable]
    if options.format == "json":
        print_json({"format_version": "1.0", "secrets": [as_json(secret) for secret in secrets]})
    elif not secrets:
        click.echo("No secret has an interval for rotation." if rotatable else "There are no secrets.")
    elif rotatable:
        due = [(str(s), s.type, _day(s.changed_at), f"{s.rotate_days} days", _day(s.rotate_by)) for s in secrets]
        _print(("secret", "type", "changed", "every", "due"), due)
    else:
        rows = [
            (str(s), s.type, str(s.version), _day(s.changed_at), s.changed_by, _day(s.expires_at), s.key_id)
            for s in secrets
        ]
        _print(("secret", "type", "version", "changed", "by", "expires", "key"), rows)
    return 0


@click.command("show")
@click.argument("name", metavar="TENANT/NAME", shell_complete=complete.stored_secrets)
@common_by()
def show_command(options: Options, name: str) -> int:
    """Show what is known of a secret, and which live resources refer to it. Never its value."""
    from reconciler.credentials.keep import not_there
    from reconciler.secrets.scrub import MASK
    from reconciler.store.secrets import find, users

    tenant, short = parse_name(name)
    where = place(options)
    secret = find(where.database, tenant, short)
    if secret is None:
        raise not_there(where.database, tenant, short)
    used_by = [*map(str, users(where.database, tenant, SecretRef("encrypted", short)))]
    document = {**as_json(secret), "value": MASK, "parts": [*PARTS.get(secret.type, ())], "used_by": used_by}
    if options.format == "json":
        print_json({"format_version": "1.0", "secret": document})
        return 0
    for key, value in document.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        label = key.replace("_", " ")
        click.echo(f"{label + ':':14} {'-' if shown in (None, '') else one_line(str(shown))}")
    return 0


@click.command("expiring")
@click.option(
    "--days",
    metavar="DAYS",
    type=click.IntRange(0, 36500),
    default=30,
    show_default=True,
    help="How far to look ahead.",
)
@common_by("tenant")
def expiring_command(options: Options, days: int) -> int:
    """List secrets that end, or are due for a new value, within so many days."""
    from reconciler.store.secrets import listed

    until = now() + timedelta(days=days)
    where = place(options)
    secrets = listed(where.database, options.tenants)
    require_tenants(where.workspace, {secret.tenant for secret in secrets})
    due = [(secret, *_next(secret)) for secret in secrets if _ends(secret)]
    due = sorted((one for one in due if one[1] <= until), key=lambda one: (one[1], str(one[0])))
    if options.format == "json":
        found = [
            {**as_json(secret), "due": moment.isoformat(timespec="seconds"), "reason": why}
            for secret, moment, why in due
        ]
        print_json({"format_version": "1.0", "secrets": found})
    elif not due:
        click.echo(f"Nothing ends, and no new value is due, within {days} days.")
    else:
        _print(("secret", "type", "due", "reason"), [(str(s), s.type, _day(moment), why) for s, moment, why in due])
    return 0


def _ends(secret: StoredSecret) -> bool:
    return secret.expires_at is not None or secret.rotate_by is not None


def _next(secret: StoredSecret) -> tuple[datetime, str]:
    """Return what comes first: its end, or the day on which a new value is due."""
    today = now()
    moments = []
    if secret.expires_at is not None:
        moments.append((secret.expires_at, "expired" if secret.expires_at <= today else "expires"))
    if secret.rotate_by is not None:
        moments.append((secret.rotate_by, "rotation overdue" if secret.rotate_by <= today else "rotation due"))
    return min(moments)


@click.command("access-log")
@click.argument("name", metavar="[TENANT/NAME]", required=False)
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="The newest N entries.",
)
@common_by("tenant")
def access_log_command(options: Options, name: str | None, limit: int) -> int:
    """Tell who took, set, rotated, re-wrapped or destroyed secrets, newest first: entries of the audit trail.

    `reconciler audit verify` tells whether they are as they were written.
    """
    from reconciler.store.secrets import entries as secret_entries
    from reconciler.store.secrets import listed

    if name:
        refuse_narrowing(options, when=" TENANT/NAME")
    tenant, short = parse_name(name) if name else (None, None)
    tenants = {tenant} if tenant else set(options.tenants)
    where = place(options)
    entries = secret_entries(where.database, tenants, short, limit)
    if name and not entries:
        note_unknown("secret", name, [*map(str, listed(where.database))])
    else:
        note_unknown_tenants(where.workspace, {str(entry.get("tenant")) for entry in entries})
    if options.format == "json":
        print_json({"format_version": "1.0", "entries": entries})
    elif not entries:
        click.echo("The audit trail tells of no secret.")
    else:
        _print(("at", "event", "secret", "version", "actor", "purpose"), [_row(entry) for entry in entries])
    return 0


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    secret = f"{entry.get('tenant')}/{entry['name']}" if "name" in entry else str(entry.get("key", ""))
    if "reference" in entry:
        secret = f"{entry.get('tenant')} {entry['reference']}"
    times = f" ({entry['times']} times)" if entry.get("times", 1) != 1 else ""
    event = str(entry["event"]).removeprefix("secret-")
    return (
        str(entry.get("at", "")),
        event,
        secret,
        str(entry.get("version", "")),
        str(entry.get("actor", "")),
        f"{entry.get('purpose', '')}{times}",
    )


def _day(moment: datetime | None) -> str:
    return moment.date().isoformat() if moment else "-"


def _print(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for line in table(heads, rows):
        click.echo(line)

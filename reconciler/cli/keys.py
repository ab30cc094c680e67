"""``keys``: the keys by which callers prove who they are; told once, kept nowhere, revoked for good."""

from __future__ import annotations

import click

from reconciler.access.snapshot import snapshot_of
from reconciler.cli import complete
from reconciler.cli.freeze import mention_pending
from reconciler.cli.options import common_by, print_json
from reconciler.cli.secrets.place import place
from reconciler.cli.workspace import Options
from reconciler.errors import Refused, UsageError
from reconciler.model.address import NAME_RULE, is_name
from reconciler.model.status import CallerKey
from reconciler.render.table import table


@click.group("keys")
def command() -> None:
    """Issue, list and revoke the keys of callers."""


@command.command("issue")
@click.argument("caller", metavar="TENANT/CALLER", shell_complete=complete.callers)
@common_by()
def issue_command(options: Options, caller: str) -> int:
    """Make a key for a caller, and print it: nothing can show it again.

    A caller has two active keys at most, so that one can take the other's place without a gap. How long a key is good for
    is `auth.api_key.max_age_days` of the caller.
    """
    from reconciler.store.keys import issue
    from reconciler.store.known import read_known

    tenant, name = _caller(caller)
    where = place(options)
    known = snapshot_of(read_known(where.database)).tenant(tenant).resource(f"caller/{name}")
    if known is None:
        raise Refused(
            f"there is no caller {caller}", code="unknown-caller", hint="declare it under `callers`, and apply that"
        )
    by_key = known.body["auth"].get("api_key")
    if by_key is None:
        raise Refused(
            f"{caller} does not prove who it is by a key",
            code="no-api-key",
            hint="write `auth: {api_key: {max_age_days: 90}}` at the caller, and apply that",
        )
    key, kept = issue(where.database, tenant, name, by_key["max_age_days"], where.actor)
    if options.format == "json":
        print_json({"format_version": "1.0", "key": key, **_shown(kept, "")})
        return 0
    click.echo(key)
    click.echo(f"This is the only time that this key is shown. It is good until {kept.expires_at}.", err=True)
    return 0


@command.command("list")
@click.argument("caller", metavar="TENANT/CALLER", shell_complete=complete.callers)
@common_by()
def list_command(options: Options, caller: str) -> int:
    """List the keys of a caller: never the keys themselves.

    A key follows its caller through a rename. A caller that was made anew under the same name has none of the former
    one's keys, and its list shows none of them.
    """
    from datetime import UTC, datetime

    from reconciler.model.status import moment
    from reconciler.store.keys import keys_of

    tenant, name = _caller(caller)
    now = moment(datetime.now(UTC))
    issued = keys_of(place(options).database, tenant, name)
    found = [{**_shown(key, now, issued.live), "caller": name} for key in issued.keys]
    if options.format == "json":
        print_json({"format_version": "1.0", "keys": found})
    elif not found:
        click.echo(f"{caller} has no keys.")
    else:
        columns = ("id", "state", "created_at", "created_by", "expires_at")
        click.echo("\n".join(table(columns, [[str(key[column]) for column in columns] for key in found])))
    return 0


@command.command("revoke")
@click.argument("caller", metavar="TENANT/CALLER", shell_complete=complete.callers)
@click.argument("key", metavar="[ID]", required=False)
@common_by()
def revoke_command(options: Options, caller: str, key: str | None) -> int:
    """Revoke a key for good, or without ID all that are active: no apply and no rollback brings one back.

    In force everywhere within a second.
    """
    from reconciler.store.keys import keys_of, revoke

    tenant, name = _caller(caller)
    where = place(options)
    chosen = [key] if key else [one.id for one in keys_of(where.database, tenant, name).keys if one.revoked_at is None]
    revoked = [one for one in chosen if revoke(where.database, tenant, name, one, where.decider)]
    mention_pending(not revoked or where.file_decisions())
    if options.format == "json":
        print_json({"format_version": "1.0", "revoked": revoked})
        return 0
    for one in revoked:
        click.echo(f"Revoked the key {one} of {caller}.")
    if not revoked:
        click.echo(f"The key {key} of {caller} was revoked already." if key else f"{caller} has no key to revoke.")
    return 0


def _caller(text: str) -> tuple[str, str]:
    tenant, _, name = text.partition("/")
    if not (is_name(tenant) and is_name(name)):
        raise UsageError("expected TENANT/CALLER", code="invalid-name", hint=NAME_RULE)
    return tenant, name


def _shown(key: CallerKey, now: str, live: bool = True) -> dict[str, str | None]:
    shown = {name: value for name, value in key._asdict().items() if name not in {"digest", "uid"}}
    state = "revoked" if key.revoked_at else "ended" if not live else "active" if key.is_active(now) else "expired"
    return {**shown, "state": state}

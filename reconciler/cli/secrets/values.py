"""``secrets set|rotate|update|delete``: a value comes from stdin or a prompt, never from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import complete
from reconciler.cli.asking import approve
from reconciler.cli.options import common_by, print_json
from reconciler.cli.secrets import in_vault
from reconciler.cli.secrets.given import MOST_INTERVAL, NEVER, check_description, read_end, read_interval, read_value
from reconciler.cli.secrets.place import parse_name, place
from reconciler.cli.signing import needed_ring
from reconciler.cli.workspace import Options, now
from reconciler.errors import ReconcilerError, Refused, UsageError
from reconciler.model.address import Address
from reconciler.model.secret_ref import SecretRef
from reconciler.model.stored_secret import TYPES, StoredSecret

if TYPE_CHECKING:
    from reconciler.secrets.ring import Ring


def _about(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--description", metavar="TEXT", help="What it is for."),
        click.option(
            "--rotate-every", metavar="DAYS", type=click.IntRange(1, MOST_INTERVAL), help="When a new value is due."
        ),
        click.option("--expires", metavar="DATE|DAYS", help="When the value ends, e.g. 2027-01-31 or 90."),
        click.option("--type", "type_", type=click.Choice([*TYPES]), help="What it is; checks the value's form."),
    ):
        command = option(command)
    return command


@click.command("set")
@click.argument("name", metavar="TENANT/NAME", shell_complete=complete.stored_secrets)
@in_vault.in_vault
@_about
@click.option(
    "--allow-new-key", is_flag=True, help="Do not ask, though the keys here open none of the secrets that are kept."
)
@common_by()
def set_command(options: Options, name: str, into: str | None, allow_new_key: bool, **about: Any) -> int:
    """Keep a value, or a new one in its place.

    The value is read from stdin, or asked for at a terminal. A line break at its end is not part of it, except of keys
    and certificates.

    A key that no other secret of the database knows may be the key of another project or environment: it is asked first
    whether it is meant.
    """
    if into is not None:
        return in_vault.keep(options, name, into, new=True, **about)
    return _keep(options, name, new=True, allow_new_key=allow_new_key, **about)


@click.command("rotate")
@click.argument("name", metavar="TENANT/NAME", shell_complete=complete.stored_secrets)
@in_vault.in_vault
@_about
@common_by()
def rotate_command(options: Options, name: str, into: str | None, **about: Any) -> int:
    """Give a secret that is there its next value. Readers get the old one or the new one, never none."""
    if into is not None:
        return in_vault.keep(options, name, into, new=False, **about)
    return _keep(options, name, new=False, **about)


@click.command("update")
@click.argument("name", metavar="TENANT/NAME", shell_complete=complete.stored_secrets)
@click.option("--description", metavar="TEXT", help="What it is for.")
@click.option("--expires", metavar="DATE|DAYS|never", help="When the value ends, e.g. 2027-01-31 or 90.")
@click.option("--rotate-every", metavar="DAYS|never", help="When a new value is due.")
@common_by()
def update_command(
    options: Options, name: str, description: str | None, expires: str | None, rotate_every: str | None
) -> int:
    """Change what is known of a secret: its description, its end, its rotation. The value and its version stay."""
    from reconciler.credentials.keep import not_there
    from reconciler.store import secrets as store

    tenant, short = parse_name(name)
    if description is expires is rotate_every is None:
        raise UsageError("nothing to change: name an option", code="wrong-usage", hint="e.g. --rotate-every 90")
    check_description(description)
    ends = None if expires in (None, NEVER) else read_end(expires or "")
    days = None if rotate_every in (None, NEVER) else read_interval(rotate_every or "")
    where = place(options)
    before = store.find(where.database, tenant, short)
    if before is None:
        raise not_there(where.database, tenant, short)
    new = before._replace(
        description=before.description if description is None else description,
        expires_at=before.expires_at if expires is None else ends,
        rotate_days=before.rotate_days if rotate_every is None else days,
    )
    if new != before and not store.update(where.database, new, before, where.actor):
        raise ReconcilerError(f"{name} was changed at the same time", code="contended", hint="try again")
    if options.format == "json":
        print_json({"format_version": "1.0", "secret": as_json(new)})
    else:
        click.echo(f"Updated {name}." if new != before else f"{name} is like that already.")
    return 0


def _keep(
    options: Options,
    text: str,
    *,
    new: bool,
    allow_new_key: bool = False,
    type_: str | None,
    expires: str | None,
    rotate_every: int | None,
    description: str | None,
) -> int:
    from reconciler.credentials.keep import About, keep, not_there
    from reconciler.secrets.secret import Secret
    from reconciler.secrets.types import judged
    from reconciler.store.changing import set_up
    from reconciler.store.secrets import find, listed

    tenant, name = parse_name(text)
    check_description(description)
    ends = read_end(expires) if expires else None
    where = place(options)
    ring = needed_ring(where.workspace.project)
    before = find(where.database, tenant, name)
    if before is None and not new:
        raise not_there(where.database, tenant, name)
    if new and not allow_new_key:
        _approve_new_key(ring, {one.key_id for one in listed(where.database)})
    value = judged(type_ or (before.type if before else "custom"), read_value(text))
    about = About(type_, description, ends or value.expires_at, rotate_every)
    if new:
        set_up(where.database)
    kept = keep(where.database, ring, tenant, name, Secret(value.value), about, where.actor, new=new)
    _warn_if_ended(kept)
    if options.format == "json":
        print_json({"format_version": "1.0", "secret": as_json(kept)})
    else:
        said = f"Kept {kept}" if kept.version == 1 else f"Kept version {kept.version} of {kept}"
        click.echo(f"{said}, sealed with {kept.key_id}. Manifests of {tenant} refer to it as encrypted://{name}")
    return 0


def _approve_new_key(ring: Ring, used: Collection[str]) -> None:
    """Ask whether the key is meant where it, and all that open beside it, open none of the secrets that are kept."""
    if not used or any(map(ring.is_known, used)):
        return
    if not sys.stdin.isatty():
        raise Refused(
            f"no secret of this database is sealed with {ring.primary.key_id}, nor with another key that is known here",
            code="key-new",
            hint="check RECONCILER_KEY_FILE and --env, or say --allow-new-key",
        )
    approve(f"No secret of this database is sealed with {ring.primary.key_id}: this may be the key of another place.")


def _warn_if_ended(kept: StoredSecret) -> None:
    if kept.expires_at is not None and kept.expires_at <= now():
        click.echo(f"Warning: the value of {kept} expired on {kept.expires_at.date().isoformat()}", err=True)


@click.command("delete")
@click.argument("name", metavar="TENANT/NAME", shell_complete=complete.stored_secrets)
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.option("--allow-referenced", is_flag=True, help="Also if live resources refer to it.")
@in_vault.in_vault
@common_by()
def delete_command(options: Options, name: str, into: str | None, auto_approve: bool, allow_referenced: bool) -> int:
    """Destroy a secret. Its value is gone for good; the audit trail keeps that it was there."""
    from reconciler.credentials.keep import not_there
    from reconciler.store import secrets as store

    def confirm(secret: str, users: list[Address]) -> None:
        _confirm(secret, users, auto_approve, allow_referenced)

    if into is not None:
        return in_vault.delete(options, name, into, confirm)
    tenant, short = parse_name(name)
    where = place(options)
    found = store.find(where.database, tenant, short)
    if found is None:
        raise not_there(where.database, tenant, short)
    confirm(name, store.users(where.database, tenant, SecretRef("encrypted", short)))
    gone = store.delete(where.database, found, where.actor)
    if options.format == "json":
        print_json({"format_version": "1.0", "deleted": gone, "secret": as_json(found)})
    else:
        click.echo(f"Destroyed {name}." if gone else f"{name} was gone already.")
    return 0


def _confirm(secret: str, users: list[Address], auto_approve: bool, allow_referenced: bool) -> None:
    """Raise Refused where live resources refer to the secret, or nobody approves."""
    if users and not allow_referenced:
        raise Refused(
            f"{secret} is in use by {', '.join(map(str, users))}",
            code="secret-in-use",
            hint="change those first, or say --allow-referenced",
        )
    if not auto_approve:
        if not sys.stdin.isatty():
            raise Refused(
                "there is nobody to ask: stdin is no terminal", code="approval-impossible", hint="--auto-approve"
            )
        approve(f"This destroys {secret} for good.")


def as_json(secret: StoredSecret) -> dict[str, Any]:
    """Return what is known of a stored secret as JSON; never its value."""
    moments = ("created_at", "changed_at", "expires_at")
    document = secret._asdict()
    for key in moments:
        document[key] = _moment(document[key])
    return {**document, "rotate_by": _moment(secret.rotate_by), "reference": f"encrypted://{secret.name}"}


def _moment(value: datetime | None) -> str | None:
    return value.astimezone(UTC).isoformat(timespec="seconds") if value else None

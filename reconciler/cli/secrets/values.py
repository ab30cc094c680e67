"""``secrets set|rotate|delete``: a value comes from stdin or a prompt, never from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import click

from reconciler.cli.asking import approve
from reconciler.cli.options import common_by, print_json
from reconciler.cli.secrets.place import parse_name, place
from reconciler.cli.signing import needed_ring
from reconciler.cli.workspace import Options, now
from reconciler.errors import Refused, UsageError
from reconciler.model.stored_secret import MOST_BYTES, TYPES, StoredSecret

MOST_DAYS, MOST_WORDS = 36500, 1000


def _about(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--description", metavar="TEXT", help="What it is for."),
        click.option("--rotate-every", metavar="DAYS", type=click.IntRange(1, 3650), help="When a new value is due."),
        click.option("--expires", metavar="DATE|DAYS", help="When the value ends, e.g. 2027-01-31 or 90."),
        click.option("--type", "type_", type=click.Choice([*TYPES]), help="What it is; checks the value's form."),
    ):
        command = option(command)
    return command


@click.command("set")
@click.argument("name", metavar="TENANT/NAME")
@_about
@common_by()
def set_command(options: Options, name: str, **about: Any) -> int:
    """Keep a value, or a new one in its place.

    The value is read from stdin, or asked for at a terminal. A line break at its end is not part of it, except of keys
    and certificates.
    """
    return _keep(options, name, new=True, **about)


@click.command("rotate")
@click.argument("name", metavar="TENANT/NAME")
@_about
@common_by()
def rotate_command(options: Options, name: str, **about: Any) -> int:
    """Give a secret that is there its next value. Readers get the old one or the new one, never none."""
    return _keep(options, name, new=False, **about)


def _keep(
    options: Options,
    text: str,
    *,
    new: bool,
    type_: str | None,
    expires: str | None,
    rotate_every: int | None,
    description: str | None,
) -> int:
    from reconciler.credentials.keep import About, keep, not_there
    from reconciler.secrets.secret import Secret
    from reconciler.secrets.types import judged
    from reconciler.store.changing import set_up
    from reconciler.store.secrets import find

    tenant, name = parse_name(text)
    if description is not None and (len(description) > MOST_WORDS or not description.isprintable()):
        raise UsageError(f"--description wants one line of at most {MOST_WORDS} characters", code="invalid-description")
    ends = _end(expires) if expires else None
    where = place(options)
    ring = needed_ring(where.workspace.project)
    before = find(where.database, tenant, name)
    if before is None and not new:
        raise not_there(where.database, tenant, name)
    value = judged(type_ or (before.type if before else "custom"), _value(options, text))
    about = About(type_, description, ends or value.expires_at, rotate_every)
    if new:
        set_up(where.database)
    kept = keep(where.database, ring, tenant, name, Secret(value.value), about, where.actor, new=new)
    if options.format == "json":
        print_json({"format_version": "1.0", "secret": as_json(kept)})
    else:
        said = f"Kept {kept}" if kept.version == 1 else f"Kept version {kept.version} of {kept}"
        click.echo(f"{said}, sealed with {kept.key_id}. Manifests of {tenant} refer to it as encrypted://{name}")
    return 0


def _value(options: Options, name: str) -> str:
    if sys.stdin.isatty():
        try:
            asked = str(click.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True, err=True))
            asked.encode()
        except UnicodeError:
            raise _not_utf8() from None
        return asked
    given = sys.stdin.buffer.read(MOST_BYTES + 3)  # with the line break that is no part of it
    if len(given) > MOST_BYTES + 2:
        raise UsageError(f"the value is longer than {MOST_BYTES} bytes", code="unfit-value")
    try:
        value = given.decode()
    except UnicodeDecodeError:
        raise _not_utf8() from None
    if not value:
        raise UsageError("stdin holds no value", code="unfit-value", hint="e.g. `pass show openai | reconciler ...`")
    return value


def _not_utf8() -> UsageError:
    return UsageError("the value is not UTF-8", code="unfit-value", hint="encode it first, e.g. with base64")


def _end(text: str) -> datetime:
    """The end of the day, in UTC."""
    try:
        if text.isdecimal():
            return now() + timedelta(days=_between(1, int(text), MOST_DAYS))
        ends = datetime.combine(datetime.strptime(text, "%Y-%m-%d"), time(23, 59, 59), UTC)
        _between(0, (ends - now()).days, MOST_DAYS)
    except ValueError:
        raise UsageError(
            "--expires wants a date to come, such as 2027-01-31, or a number of days", code="invalid-expiry"
        ) from None
    return ends


def _between(least: int, number: int, most: int) -> int:
    """Raises ValueError."""
    if not least <= number <= most:
        raise ValueError
    return number


@click.command("delete")
@click.argument("name", metavar="TENANT/NAME")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.option("--allow-referenced", is_flag=True, help="Also if live resources refer to it.")
@common_by()
def delete_command(options: Options, name: str, auto_approve: bool, allow_referenced: bool) -> int:
    """Destroy a secret. Its value is gone for good; the audit trail keeps that it was there."""
    from reconciler.credentials.keep import not_there
    from reconciler.store import secrets as store

    tenant, short = parse_name(name)
    where = place(options)
    found = store.find(where.database, tenant, short)
    if found is None:
        raise not_there(where.database, tenant, short)
    users = store.users(where.database, tenant, short)
    if users and not allow_referenced:
        raise Refused(
            f"{name} is in use by {', '.join(map(str, users))}",
            code="secret-in-use",
            hint="change those first, or say --allow-referenced",
        )
    if not auto_approve:
        if not sys.stdin.isatty():
            raise Refused(
                "there is nobody to ask: stdin is no terminal", code="approval-impossible", hint="--auto-approve"
            )
        approve(f"This destroys {name} for good.")
    gone = store.delete(where.database, found, where.actor)
    if options.format == "json":
        print_json({"format_version": "1.0", "deleted": gone, "secret": as_json(found)})
    else:
        click.echo(f"Destroyed {name}." if gone else f"{name} was gone already.")
    return 0


def as_json(secret: StoredSecret) -> dict[str, Any]:
    moments = ("created_at", "changed_at", "expires_at")
    document = secret._asdict()
    for key in moments:
        document[key] = _moment(document[key])
    return {**document, "rotate_by": _moment(secret.rotate_by), "reference": f"encrypted://{secret.name}"}


def _moment(value: datetime | None) -> str | None:
    return value.astimezone(UTC).isoformat(timespec="seconds") if value else None

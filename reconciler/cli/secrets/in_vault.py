"""``--in vault://mount/path#key`` of ``secrets set|rotate|delete``: a value that Vault keeps, and not the database."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click

from reconciler.cli.options import print_json
from reconciler.cli.secrets.given import read_value
from reconciler.cli.secrets.place import SecretsPlace, place
from reconciler.cli.workspace import Options
from reconciler.errors import UsageError
from reconciler.model.address import NAME_RULE, Address, is_name
from reconciler.model.secret_ref import SecretRef

in_vault = click.option(
    "--in",
    "into",
    metavar="vault://MOUNT/PATH#KEY",
    help="Keep the value in Vault (KV version 2) under that key. TENANT stands alone then, without a NAME.",
)


def keep(options: Options, tenant: str, into: str, *, new: bool, type_: str | None, **about: Any) -> int:
    """Write the next value to Vault."""
    from reconciler.secrets.secret import Secret
    from reconciler.secrets.types import judged

    if any(value is not None for value in about.values()):
        raise UsageError(
            "--description, --expires and --rotate-every are of secrets that the database keeps",
            code="wrong-usage",
            hint="Vault keeps metadata of its own: `bao kv metadata put`",
        )
    where, reference = _permitted(options, tenant, into)
    value = judged(type_ or "custom", read_value(str(reference))).value
    _log(where, "secret-set" if new else "secret-rotate", tenant, reference)
    version = _key(where, reference).put(Secret(value), new)
    if options.format == "json":
        _print_json(tenant, reference, version=version)
    else:
        click.echo(f"Kept {reference} in Vault, version {version}. Manifests of {tenant} refer to it as {reference}")
    return 0


def delete(options: Options, tenant: str, into: str, confirm: Callable[[str, list[Address]], None]) -> int:
    """Remove the key from Vault; ``confirm`` raises where it is in use, or nobody approves."""
    from reconciler.store.secrets import users

    where, reference = _permitted(options, tenant, into)
    confirm(str(reference), users(where.database, tenant, reference))
    _log(where, "secret-delete", tenant, reference)
    version = _key(where, reference).remove()
    if options.format == "json":
        _print_json(tenant, reference, deleted=True, version=version)
    else:
        path = reference.name
        click.echo(f"Removed {reference} from Vault. Its older versions hold the value until they are destroyed: "
                   f"`bao kv destroy -versions=... {path}`")  # fmt: skip
    return 0


def _permitted(options: Options, tenant: str, into: str) -> tuple[SecretsPlace, SecretRef]:
    """Return the place and the reference. Raises UsageError, and CredentialUnresolved for one that the tenant may not use."""
    from reconciler.secrets.resolve import Wanted, require_permitted

    if not is_name(tenant):
        raise UsageError(
            "expected TENANT alone: with --in, the reference names the secret", code="invalid-name", hint=NAME_RULE
        )
    try:
        reference = SecretRef.parse(into)
    except ValueError as error:
        raise UsageError(f"--in: {error}", code="invalid-reference") from None
    where = place(options)
    environment = where.workspace.environment(required=True)
    require_permitted(where.workspace.project.secret_policy(environment), Wanted(tenant, reference))
    return where, reference


def _key(where: SecretsPlace, reference: SecretRef) -> Any:
    from reconciler.secrets.fetch import Outside
    from reconciler.secrets.vault_writing import VaultKey

    timeout = float(where.workspace.project.settings.secrets.timeout_seconds)
    return VaultKey(Outside(os.environ, timeout), reference)


def _log(where: SecretsPlace, event: str, tenant: str, reference: SecretRef) -> None:
    """Make the entry before Vault is asked; a database that is not set up has no trail.

    Raises ReconcilerError, so that nothing is written which the trail doesn't hold.
    """
    from reconciler.store.audit import note
    from reconciler.store.changing import NotSetUp, changing
    from reconciler.store.connect import exists

    if not exists(where.database):
        return
    with suppress(NotSetUp), changing(where.database) as connection:
        note(connection, event, where.actor, {"tenant": tenant, "reference": str(reference)})


def _print_json(tenant: str, reference: SecretRef, version: int, **more: Any) -> None:
    secret = {"tenant": tenant, "reference": str(reference), "version": version}
    print_json({"format_version": "1.0", **more, "secret": secret})

"""``secrets``: values that the database keeps sealed, the keys that seal them, and who has taken them."""

from __future__ import annotations

import click

from reconciler.cli.secrets import keys, look, values


@click.group("secrets")
def command() -> None:
    """Keep secrets in the database, sealed; manage their keys.

    A manifest of the same tenant refers to the secret TENANT/NAME as `encrypted://NAME`.

    RECONCILER_KEY_FILE or `secrets.keys` in reconciler.yaml names the key file; RECONCILER_TRANSIT_KEY or
    `secrets.transit` a key of Vault's transit engine.
    """


for one in (
    values.set_command,
    look.list_command,
    look.show_command,
    values.rotate_command,
    values.update_command,
    values.delete_command,
    keys.reencrypt_command,
    keys.keys,
    look.access_log_command,
    look.expiring_command,
):
    command.add_command(one)

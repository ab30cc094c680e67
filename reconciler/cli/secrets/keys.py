"""``secrets keys`` and ``secrets reencrypt``: the keys that seal secrets and sign plans, and moving from one to the next."""

from __future__ import annotations

import os
from pathlib import Path

import click
from msgspec.structs import replace

from reconciler.cli.evidence import STORE
from reconciler.cli.options import PROJECT, STORE_VARIABLE, common_by, print_json
from reconciler.cli.secrets.place import SecretsPlace, place
from reconciler.cli.serve import store_of
from reconciler.cli.signing import NO_KEY, key_file, known_keys, needed_ring, require_outside_of_git, ring
from reconciler.cli.workspace import Options, Workspace
from reconciler.errors import Problem, ReconcilerError, Refused, UsageError
from reconciler.model.amount import amount
from reconciler.model.stored_secret import StoredSecret
from reconciler.render.table import table
from reconciler.secrets.keys import add_key, create_keys, promote_key, retire_key
from reconciler.store.url import Database

MOST_SHOWN = 5


@click.group("keys")
def keys() -> None:
    """Make, list and rotate keys.

    Rotation without downtime: `add`, copy the file to everywhere; `promote`, copy it again; `secrets reencrypt`;
    `retire`, copy it for the last time.
    """


@keys.command("create")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The new file, mode 0600.",
)
@click.option("--transit", metavar="MOUNT/NAME", help="A new key of Vault's transit engine, which never leaves it.")
@common_by(takes=PROJECT)
def create_command(options: Options, out: Path | None, transit: str | None) -> int:
    """Write a new key to FILE, or make one in Vault. Keep a file out of git, and give it to whoever plans and applies."""
    if (out is None) == (transit is None):
        raise UsageError("expected --out FILE or --transit MOUNT/NAME")
    if transit is not None:
        return _create_in_vault(options, transit)
    assert out is not None
    require_outside_of_git(out)
    identity = create_keys(out)
    if options.format == "json":
        print_json({"format_version": "1.0", "file": str(out), "key": identity})
    else:
        click.echo(f"Wrote the key {identity} to {out}.\nNext: export RECONCILER_KEY_FILE={out.resolve()}")
    return 0


def _create_in_vault(options: Options, name: str) -> int:
    from reconciler.secrets.fetch import Outside
    from reconciler.secrets.transit import TransitKey

    timeout = Workspace(options, ()).project.settings.secrets.timeout_seconds
    key = TransitKey(name, Outside(os.environ, float(timeout)))
    key.create()
    if options.format == "json":
        print_json({"format_version": "1.0", "key": key.key_id})
    else:
        click.echo(f"Made the transit key {name} in Vault.\nNext: export RECONCILER_TRANSIT_KEY={name}")
    return 0


@keys.command("list")
@common_by()
def list_command(options: Options) -> int:
    """List keys by state, with the data keys that each has wrapped and the secrets that it holds now."""
    from reconciler.store.secrets import key_uses

    where = place(options)
    own, held = known_keys(where.workspace.project), ring(where.workspace.project)
    uses = key_uses(where.database)
    states = {name: own.state(name) for name in own.by_id} if own else {}
    if held is not None and held.primary.key_id not in states:
        states = {name: "decrypt-only" if state == "primary" else state for name, state in states.items()}
        states[held.primary.key_id] = "primary"
    rows = []
    for name in sorted({*states, *uses}):
        use = uses.get(name)
        in_vault = held is not None and name.startswith(f"{held.primary.key_id}:")
        state = states.get(name) or (
            "in Vault" if in_vault else "retired" if use and use.retired_at else "not known here"
        )
        rows.append((name, state, use.wraps if use else 0, use.secrets if use else 0))
    if options.format == "json":
        found = [{"key": k, "state": state, "wraps": wraps, "secrets": count} for k, state, wraps, count in rows]
        print_json({"format_version": "1.0", "keys": found})
    elif not rows:
        click.echo(f"There are no keys: {NO_KEY}.")
    else:
        for line in table(("key", "state", "wraps", "secrets"), [tuple(map(str, row)) for row in rows]):
            click.echo(line)
    return 0


@keys.command("add")
@common_by(takes=PROJECT)
def add_command(options: Options) -> int:
    """Add a new key to the key file, decrypt-only: known everywhere before anything is sealed with it."""
    file = _file(options)
    identity = add_key(file)
    _say(options, identity, "decrypt-only", f"Added {identity} to {file}, decrypt-only.\nNext: copy the file to wherever "
         f"secrets are read, then `reconciler secrets keys promote {identity}`")  # fmt: skip
    return 0


@keys.command("promote")
@click.argument("key")
@common_by(takes=PROJECT)
def promote_command(options: Options, key: str) -> int:
    """Make KEY the primary one: from now on secrets are sealed, and plans signed, with it."""
    file = _file(options)
    promote_key(file, key)
    _say(
        options,
        key,
        "primary",
        f"{key} is primary in {file}.\nNext: copy the file, then `reconciler secrets reencrypt`",
    )
    return 0


@keys.command("retire")
@click.argument("key")
@STORE
@common_by()
def retire_command(options: Options, key: str, store: str | None) -> int:
    """Let KEY open no secret any more. Refused while it holds one; it still verifies what it signed.

    Refused, too, while calls wait for an approval whose values it sealed, in the runtime's store.
    """
    from reconciler.store.secrets import retire

    where = place(options)
    file = _file(options)
    own = known_keys(where.workspace.project)
    if own is not None and key == own.primary:
        retire_key(file, key)  # says what to do instead
    if own is not None and key not in own.by_id:
        raise UsageError(f"the key file has no key {key!r}", code="unknown-key", hint=f"it has: {', '.join(own.by_id)}")
    calls = _require_unsealed(store_of(store, where.workspace.project.root), key)
    retire(where.database, key, where.actor)
    retire_key(file, key)
    _say(options, key, "retired", f"{key} is retired: {where.database.display} holds no secret under it{calls}. Other databases "
         "are asked one by one, each with `reconciler secrets keys list`.")  # fmt: skip
    return 0


def _require_unsealed(store: Database, key: str) -> str:
    """Return what was found out of calls that wait for an approval. Raises Refused while the key seals the values of one."""
    from reconciler.runtime import messages
    from reconciler.runtime.approvals import sealed_under

    try:
        waiting = sealed_under(store, key)
        unsent = messages.sealed_under(store, key)
    except ReconcilerError as error:
        if error.problems[0].code != "evidence-missing":
            raise
        return f"; no runtime's store was looked at, where calls may wait for an approval (--store, {STORE_VARIABLE})"
    if waiting:
        shown = ", ".join(waiting[:MOST_SHOWN]) + (", …" if len(waiting) > MOST_SHOWN else "")
        raise Refused(
            f"the key {key} still seals the values of {len(waiting)} calls that wait for an approval: {shown}",
            code="key-in-use",
            hint="decide on them (`reconciler approvals list`) and let them run, or wait until they have expired",
        )
    if unsent:
        raise Refused(
            f"the key {key} still seals {len(unsent)} messages that wait to be delivered",
            code="key-in-use",
            hint="let a server deliver them; what can't be delivered is given up after a day",
        )
    return f", and no call that waits for an approval in {store.display}"


@click.command("reencrypt")
@common_by()
def reencrypt_command(options: Options) -> int:
    """Put every secret under the primary key, one by one; interrupted, it goes on where it was. No value is decrypted."""
    from reconciler.credentials.keep import reencrypt
    from reconciler.credentials.trail_key import rewrap_trail_keys
    from reconciler.store.secrets import key_uses

    where: SecretsPlace = place(options)
    held = needed_ring(where.workspace.project)
    total = sum(use.secrets for use in key_uses(where.database).values() if use.key_id != held.primary.key_id)
    with options.progress.stage("Re-wrapping"):
        result = reencrypt(
            where.database, held, where.actor, lambda done: options.progress.count(done, total, "secrets")
        )
    rewrap_trail_keys(where.database, held)
    if result.failed:
        worst = max((error for _, error in result.failed), key=lambda error: error.exit_code)
        raise type(worst)(*(_not_rewrapped(secret, error.problems[0]) for secret, error in result.failed))
    if options.format == "json":
        document = {"format_version": "1.0", "key": held.primary.key_id, "rewrapped": result.done, "left": result.left}
        print_json(document)
    else:
        rest = (
            f"{result.left} others keep changing: run it again"
            if result.left
            else f"all are under {held.primary.key_id}"
        )
        click.echo(f"Re-wrapped {amount(result.done, 'secret')}; {rest}.")
    return 0


def _not_rewrapped(secret: StoredSecret, problem: Problem) -> Problem:
    return replace(problem, message=f"{secret} could not be re-wrapped: {problem.message}")


def _file(options: Options) -> Path:
    file = key_file(Workspace(options, ()).project)
    if file is None:
        raise Refused("no key file is configured", code="key-missing", hint=NO_KEY)
    require_outside_of_git(file)
    return file


def _say(options: Options, key: str, state: str, text: str) -> None:
    if options.format == "json":
        print_json({"format_version": "1.0", "key": key, "state": state})
    else:
        click.echo(text)

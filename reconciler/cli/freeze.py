"""``freeze``: a target taken out of use at once, everywhere, until somebody lifts it."""

from __future__ import annotations

import click

from reconciler.cli.options import common, print_json
from reconciler.cli.secrets.place import place
from reconciler.cli.workspace import Options
from reconciler.errors import UsageError
from reconciler.kinds.table import TOOL, freezable, is_freezable
from reconciler.model.address import is_name


@click.command("freeze")
@click.argument("target", metavar="TARGET")
@click.option("--reason", metavar="TEXT", required=True, help="Why; it stands in the audit trail.")
@common
def command(options: Options, target: str, reason: str) -> int:
    """Take TARGET out of use, in force everywhere within a second.

    TARGET is `platform`, `tenant/NAME`, `key/ID`, or TENANT/KIND/NAME of a resource or a tool. What runs is cancelled. No apply lifts a freeze: `reconciler unfreeze` does.
    """
    from reconciler.store.status import freeze

    where = place(options)
    done = freeze(where.database, parse_target(target), reason, where.actor)
    return say(options, target, "frozen", done)


def parse_target(text: str) -> str:
    """Raises UsageError."""
    parts = text.split("/")
    fits = (
        text == "platform"
        or (len(parts) == 2 and parts[0] in {"tenant", "key"} and is_name(parts[1]))
        or (len(parts) == 3 and is_name(parts[0]) and is_freezable(parts[1]) and _is_target(parts[1], parts[2]))
    )
    if not fits:
        forms = f"platform, tenant/NAME, key/ID, or TENANT/KIND/NAME with a kind of {', '.join(freezable())}"
        raise UsageError(f"{text} is nothing that can be frozen", code="invalid-target", hint=f"expected {forms}")
    return text


def _is_target(kind: str, name: str) -> bool:
    return all(map(is_name, name.split("__", 1))) if kind == TOOL else is_name(name)


def say(options: Options, target: str, word: str, done: bool) -> int:
    if options.format == "json":
        print_json({"format_version": "1.0", "target": target, "state": word, "changed": done})
    else:
        click.echo(f"{target} is {word} now." if done else f"{target} was {word} already.")
    return 0

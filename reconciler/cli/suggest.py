"""What to type instead of a command or an option that does not exist: the nearest of ours, or our word for a peer's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

import click

COMMANDS_OF_PEERS: Mapping[str, str] = {
    "import": "here it is `reconciler adopt ADDRESS`; `reconciler convert` reads other tools' files",
    "state list": "here it is `reconciler list`",
    "state show": "here it is `reconciler show ADDRESS`",
    "state rm": "here it is `reconciler forget ADDRESS`",
    "state mv": "here a manifest says `moved: [{from: KIND/OLD, to: KIND/NEW}]`",
    "state pull": "here it is `reconciler export`",
    "state": "the live state is a database: see `reconciler list`, `reconciler show ADDRESS` and `reconciler export`",
    "destroy": "delete the resources from the manifests, then `reconciler plan` and `reconciler apply --allow-empty`",
    "delete": "delete the resource from its manifest, then `reconciler plan` and `reconciler apply`",
    "diff": "here it is `reconciler plan`; `reconciler drift` compares live state with what was applied last",
    "preview": "here it is `reconciler plan`",
    "refresh": "nothing has to be refreshed: `reconciler plan` reads live state, `reconciler drift` reports outside changes",
    "sync": "here it is `reconciler apply`",
    "up": "here it is `reconciler apply`",
    "deploy": "here it is `reconciler apply`",
    "create": "write the resource into a manifest, then `reconciler apply`",
    "dump": "here it is `reconciler export`",
    "pull": "here it is `reconciler export`",
    "get": "here it is `reconciler list`, or `reconciler show ADDRESS`",
    "ls": "here it is `reconciler list`",
    "describe": "here it is `reconciler show ADDRESS` for a live resource, `reconciler explain KIND` for a kind",
    "output": "here it is `reconciler show ADDRESS --format json`",
    "log": "here it is `reconciler history`",
    "logs": "here it is `reconciler evidence list` for calls of agents, `reconciler history` for applies",
    "undo": "here it is `reconciler rollback GENERATION`, or `reconciler revert GENERATION` for one alone",
    "workspace": "here it is an environment of reconciler.yaml, which --env chooses",
    "stack": "here it is an environment of reconciler.yaml, which --env chooses",
    "env": "an environment is chosen by --env, and declared under `environments` in reconciler.yaml",
    "force-unlock": "nothing has to be unlocked: the lock of a vanished apply ends by itself within 30 seconds",
    "unlock": "nothing has to be unlocked: the lock of a vanished apply ends by itself within 30 seconds",
    "taint": "nothing is made anew by force: change its manifest",
    "migrate": "here it is `reconciler db upgrade`",
    "format": "here it is `reconciler fmt`",
    "check": "here it is `reconciler validate`",
    "start": "here it is `reconciler serve`",
    "run": "here it is `reconciler serve`",
}
"""What users of Terraform, Pulumi, decK, kubectl and octoDNS type first."""
OPTIONS_OF_PEERS: Mapping[str, str] = {
    "--environment": "--env",
    "--workspace": "--env",
    "--stack": "--env",
    "--namespace": "--tenant",
    "--yes": "--auto-approve",
    "-y": "--auto-approve",
    "--force": "--auto-approve",
    "--approve": "--auto-approve",
    "--output": "--format",
    "-o": "--format",
    "--json": "--format json",
    "--resource": "--target",
    "--select": "--target",
    "--skip": "--exclude",
    "--db": "--database",
    "--state": "--database",
    "--config": "--project",
    "--no-colour": "--no-color",
    "--debug": "--verbose",
    "--silent": "--quiet",
    "--lock-wait": "--lock-timeout",
    "--chdir": "-C",
}
"""Our option for a peer's; a hint only where the command has it."""
ADVICE: Mapping[str, str] = {
    "--dry-run": "`reconciler plan` shows what an apply would change",
    "--file": "files are given without an option: `reconciler plan PATH`",
    "-f": "files are given without an option: `reconciler plan PATH`",
    "--var": "variables stand in reconciler.yaml, under `variables` or in an environment",
    "--var-file": "variables stand in reconciler.yaml, under `variables` or in an environment",
    "--destroy": COMMANDS_OF_PEERS["destroy"],
    "--refresh": COMMANDS_OF_PEERS["refresh"],
    "--parallelism": "an apply is one transaction: nothing runs in parallel",
}
_COMMAND = re.compile(r"No such command '(.*)'\.", re.DOTALL)


def explained(error: click.UsageError, arguments: Sequence[str]) -> tuple[str, str | None]:
    """Return the message of a usage error, and the hint for what was probably meant."""
    message = error.format_message()
    if error.ctx is None:
        return message, None
    where = f" (see `{error.ctx.command_path} --help`)"
    if isinstance(error, click.NoSuchOption):
        return error.message.removesuffix(".") + where, _option_hint(error.ctx, error.option_name, arguments)
    found = _COMMAND.match(error.message)
    if found and isinstance(error.ctx.command, click.Group):
        return found[0].removesuffix(".") + where, _command_hint(error.ctx, found[1], arguments)
    return message.removesuffix(".") + where, None


def near_option(given: str, known: Iterable[str]) -> str | None:
    """Return the option that was probably meant: one that the other begins with comes before one that looks like it."""
    name, names = given.lstrip("-").lower().replace("_", "-"), {one.lstrip("-"): one for one in known}
    if len(name) > 64:
        return None
    begun = [
        one for one in names if len(one) > 1 and (name.startswith(one) or (len(name) > 1 and one.startswith(name)))
    ]
    if begun:
        return names[max(begun, key=lambda one: len(one) if name.startswith(one) else -len(one))]
    return next((names[one] for one in get_close_matches(name, names, 1)), None)


def _option_hint(context: click.Context, given: str, arguments: Sequence[str]) -> str | None:
    known = {
        name
        for one in context.command.get_params(context)
        if isinstance(one, click.Option) and not one.hidden
        for name in one.opts
    }
    given = _whole(given, arguments)
    ours = OPTIONS_OF_PEERS.get(given)
    if ours == "-C":
        return "did you mean -C, before the command?"
    if ours is not None and ours.partition(" ")[0] in known:
        return f"did you mean {ours}?"
    if given in ADVICE:
        return ADVICE[given]
    near = near_option(given, known)
    return f"did you mean {near}?" if near else None


def _whole(given: str, arguments: Sequence[str]) -> str:
    """Return an option as it was typed with two hyphens: `-auto-approve`, as Terraform has it, is read letter by letter."""
    typed = (one.partition("=")[0] for one in arguments)
    long = (one for one in typed if re.fullmatch(r"-[a-z][a-z-]{2,}", one) and one[1] in given)
    return next((f"-{one}" for one in long), given) if len(given.lstrip("-")) == 1 else given


def _command_hint(context: click.Context, given: str, arguments: Sequence[str]) -> str | None:
    group = context.command
    assert isinstance(group, click.Group)
    rest = [*arguments][[*arguments].index(given) + 1 :] if given in arguments else []
    if context.parent is None:
        for words in (" ".join([given, *rest[:1]]), given):
            if words in COMMANDS_OF_PEERS:
                return COMMANDS_OF_PEERS[words]
    near = get_close_matches(given[:64], group.list_commands(context), 1)
    return f"did you mean `{' '.join([context.command_path, near[0]])}`?" if near else None

"""``completion``: the script that teaches a shell to complete commands, options and addresses."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, shell: str) -> int:
    """Print the completion script for SHELL.

    bash: `eval "$(reconciler completion bash)"` in ~/.bashrc; zsh: the same in ~/.zshrc; fish: `reconciler completion fish | source`.
    """
    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(context.find_root().command, {}, "reconciler", "_RECONCILER_COMPLETE").source())
    return 0

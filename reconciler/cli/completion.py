"""``completion``: the script that teaches a shell to complete commands, options and addresses."""

from __future__ import annotations

import click

from reconciler.cli.shells import SHELLS, VARIABLE


@click.command("completion")
@click.argument("shell", type=click.Choice([*SHELLS]))
@click.pass_context
def command(context: click.Context, shell: str) -> int:
    """Print the completion script for SHELL.

    \b
    bash  in ~/.bashrc: eval "$(reconciler completion bash)"
    zsh   in ~/.zshrc, below `autoload -Uz compinit && compinit`: eval "$(reconciler completion zsh)"
    fish  in ~/.config/fish/config.fish: reconciler completion fish | source
    """
    click.echo(SHELLS[shell](context.find_root().command, {}, "reconciler", VARIABLE).source())
    return 0

"""What a shell has typed, turned into what it may insert: click's own classes, with ``--option=value`` kept whole."""

from __future__ import annotations

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

VARIABLE = "_RECONCILER_COMPLETE"


class _Bash(BashComplete):
    """bash breaks words at ``=``, which then stands between an option and its value as a word of its own."""

    def get_completion_args(self) -> tuple[list[str], str]:
        words, begun = super().get_completion_args()
        return [word for word in words if word != "="], begun


class _Whole(ShellComplete):
    """zsh and fish replace the whole word, ``--option=`` included: what is offered begins with it too."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        found = super().get_completions(args, incomplete)
        option, equals, _ = incomplete.partition("=")
        if not equals or not option.startswith("--"):
            return found
        return [CompletionItem(f"{option}={item.value}", help=item.help) for item in found if item.type == "plain"]


class _Zsh(_Whole, ZshComplete):
    pass


class _Fish(_Whole, FishComplete):
    pass


SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def register() -> None:
    """Make click use these classes; only where a shell asks, since nobody else needs them."""
    for name, shell in SHELLS.items():
        add_completion_class(shell, name)

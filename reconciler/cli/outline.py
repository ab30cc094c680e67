"""The help of every command from one file of outlines, so that `COMMAND --help` imports nothing of what the command does.

``outline.json`` is made from the commands (`reconciler debug reference`), and a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import msgspec

FILE = Path(__file__).with_name("outline.json")
HELP_OPTIONS = frozenset({"-h", "--help"})


class OptionOutline(msgspec.Struct, frozen=True, omit_defaults=True):
    """An option: its names, how it is read, and the two columns of its line in the help."""

    names: tuple[str, ...]
    line: tuple[str, str] | None = None
    is_flag: bool = False
    is_hidden: bool = False


class Outline(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command: what its help consists of. ``commands`` are those of a group; ``usage`` has no options."""

    help: str
    usage: tuple[str, ...] = ()
    options: tuple[OptionOutline, ...] = ()
    is_hidden: bool = False
    commands: Mapping[str, Outline] | None = None


@cache
def outlines() -> Mapping[str, Outline]:
    """Return the outline of each command by its name."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, Outline])


def asks_for_help(arguments: Sequence[str]) -> bool:
    """Whether a command line has an option for help, or the word of one as a value."""
    return not HELP_OPTIONS.isdisjoint(arguments)


def outlined(name: str) -> click.Command | None:
    """Return the command that prints the help of the command ``name``, and becomes it where no help was asked for."""
    found = outlines().get(name)
    if found is None:
        return None

    def real() -> click.Command:
        module: Any = import_module(f"reconciler.cli.{name}")
        command: click.Command = module.command
        return command

    return _command(name, found, real)


def outline_of(context: click.Context) -> Outline:
    """Return the outline of the command of ``context``."""
    command = context.command
    inner: Mapping[str, Outline] | None = None
    if isinstance(command, click.Group):
        inner = {
            name: outline_of(click.Context(one, context, name))
            for name in command.list_commands(context)
            if (one := command.get_command(context, name)) is not None
        }
    return Outline(
        command.help or "",
        tuple(piece for one in command.params for piece in one.get_usage_pieces(context)),
        tuple(_option_outline(one, context) for one in command.params if isinstance(one, click.Option)),
        command.hidden,
        inner,
    )


def _option_outline(option: click.Option, context: click.Context) -> OptionOutline:
    names = (*option.opts, *(f"/{one}" for one in option.secondary_opts))
    is_flag = bool(option.is_flag or option.count)
    return OptionOutline(names, option.get_help_record(context), is_flag, option.hidden)


class _OutlinedOption(click.Option):
    """An option that knows its line in the help."""

    def __init__(self, outline: OptionOutline) -> None:
        super().__init__(outline.names, is_flag=outline.is_flag, multiple=not outline.is_flag, hidden=outline.is_hidden)
        self._line = outline.line

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        return self._line


class _Outlined(click.Command):
    """A command that prints its help, and gives way to the real one where none is asked for."""

    def __init__(self, name: str, outline: Outline, real: Callable[[], click.Command]) -> None:
        options: list[click.Parameter] = [_OutlinedOption(one) for one in outline.options]
        words = click.Argument(["words"], nargs=-1, type=click.UNPROCESSED, metavar=" ".join(outline.usage) or "")
        super().__init__(name, params=[*options, words], help=outline.help, hidden=outline.is_hidden)
        self._usage, self._real = outline.usage, real

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        super().make_context(info_name, [*args], parent, **extra)
        return self._real().make_context(info_name, args, parent, **extra)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [self.options_metavar or "", *self._usage]


def _command(name: str, outline: Outline, real: Callable[[], click.Command]) -> click.Command:
    if outline.commands is None:
        return _Outlined(name, outline, real)

    def inner_of(inner: str) -> Callable[[], click.Command]:
        def find() -> click.Command:
            group: Any = real()
            found: click.Command = group.commands[inner]
            return found

        return find

    inner = {one: _command(one, found, inner_of(one)) for one, found in outline.commands.items()}
    params: list[click.Parameter] = [_OutlinedOption(one) for one in outline.options]
    return click.Group(name, commands=inner, params=params, help=outline.help, hidden=outline.is_hidden)

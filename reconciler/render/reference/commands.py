"""Commands, as facts that the command line tells of itself, turned into their page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from reconciler.render.reference.forms import sentence
from reconciler.render.reference.prose import bullet, paragraph, prose


class CommandFacts(NamedTuple):
    """``help`` is as the source has it: paragraphs, of which those that begin with a backspace keep their lines."""

    name: str
    usage: str
    help: str
    options: Sequence[tuple[str, str]]
    takes_common: bool


def commands_page(commands: Sequence[CommandFacts], common: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Render the reference's page of commands."""
    yield "# Commands"
    yield ""
    yield from paragraph(
        "`reconciler COMMAND --help` says the same at the prompt. The result is on stdout; progress, questions and errors "
        "are on stderr. [Codes](codes.md) lists the exit codes."
    )
    yield "## Common options"
    yield ""
    yield from _options(common)
    for command in commands:
        yield ""
        yield f"## {command.name}"
        yield ""
        yield from ["```text", command.usage, "```", ""]
        for block in command.help.split("\n\n"):
            yield from _block(block)
        yield from _options(command.options)
        if command.takes_common:
            yield from bullet("and the [common options](#common-options)")


def _options(options: Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, text in options:
        yield from bullet(f"`{name}`: {sentence(_EXTRA.sub(_plainly, text))}")


_EXTRA = re.compile(r"[.]?\s+\[([^\]]*)\]$")


def _plainly(found: re.Match[str]) -> str:
    """Return what click adds in brackets, as words."""
    return f" ({found[1].replace('default: ', 'default ').replace('; ', ', ')})."


def _block(text: str) -> Iterator[str]:
    if text.startswith("\b"):
        yield from ["```text", *text.strip("\b\n").splitlines(), "```", ""]
    else:
        yield from paragraph(prose(text))

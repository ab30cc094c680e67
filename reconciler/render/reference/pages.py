"""All pages of the reference: names of files, and the text of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.kinds.table import KINDS
from reconciler.render.reference.codes import codes_page
from reconciler.render.reference.commands import CommandFacts, commands_page
from reconciler.render.reference.forms import sentence
from reconciler.render.reference.kinds import kind_page
from reconciler.render.reference.project import project_page
from reconciler.render.reference.prose import bullet, paragraph
from reconciler.render.reference.values import risks_page, values_page

_OTHERS: Mapping[str, str] = {
    "project.md": "`reconciler.yaml`, the settings of a project.",
    "commands.md": "Commands, their arguments and options.",
    "codes.md": "Exit codes, and the codes of errors.",
    "values.md": "Types of fields that have rules of their own.",
    "risks.md": "What a change may do to data, access and limits, by name.",
}


def pages(commands: Sequence[CommandFacts], common: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return every page of the reference by its file name."""
    kinds = {f"{name}.md": kind_page(kind) for name, kind in KINDS.items()}
    others: dict[str, Iterable[str]] = {
        "project.md": project_page(),
        "commands.md": commands_page(commands, common),
        "codes.md": codes_page(),
        "values.md": values_page(),
        "risks.md": risks_page(),
    }
    return {name: _whole(lines) for name, lines in {"README.md": _index(), **kinds, **others}.items()}


def _index() -> Iterator[str]:
    yield "# Reference"
    yield ""
    yield from paragraph(
        "Every kind, field, command and code. These pages are made from the code, by `reconciler debug reference --out "
        "docs/reference`, and a test fails when they are stale; [configuration](../configuration.md) is the guide. "
        "`reconciler explain KIND.FIELD` tells the same of one field at the prompt."
    )
    for name, kind in KINDS.items():
        yield from bullet(f"[{name}]({name}.md): {sentence(kind.summary)}")
    yield ""
    for file, text in _OTHERS.items():
        yield from bullet(f"[{file.removesuffix('.md')}]({file}): {text}")


def _whole(lines: Iterable[str]) -> str:
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"

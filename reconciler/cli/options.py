"""The options that commands share, and the JSON or text that they print."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from operator import is_not
from typing import TYPE_CHECKING, Any

import click
import orjson
from msgspec.structs import replace

from reconciler.batches import in_batches
from reconciler.cli.complete import addresses, environments, files, tenants
from reconciler.cli.output import knows_secrets, own_words, without_secrets
from reconciler.cli.workspace import ENVIRONMENT_VARIABLE, Options
from reconciler.errors import UsageError
from reconciler.processes import forked
from reconciler.render.style import Style

if TYPE_CHECKING:
    from reconciler.model.plan import Change, Plan

FORMATS = ("text", "json")
NARROWING = ("tenant", "target")
"""The options that narrow what a command is about."""
SELECTING = (*NARROWING, "exclude")
"""Those that select what of a plan is made."""
STORE_VARIABLE = "RECONCILER_RUNTIME_URL"
"""Names the runtime's own database: evidence, and what was used of limits."""


OUTPUT = ""
"""What of the project a command takes options for: nothing, its file, the manifests, the database, or manifests and database."""
PROJECT = "p"
MANIFESTS = "pem"
DATABASE = "ped"
BOTH = "pemd"


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the common options, and hand them over as one ``options`` argument."""
    return _with_options(FORMATS, NARROWING, DATABASE, command)


def common_with(
    *more: str, narrowing: Sequence[str] = NARROWING, takes: str = BOTH
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return ``common`` for a command that reads manifests and offers ``more`` formats of a table in ``render/formats.py``."""
    return functools.partial(_with_options, (*FORMATS, *more), narrowing, takes)


def common_by(*narrowing: str, takes: str = DATABASE) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return ``common`` for a command that narrows by these of --tenant and --target only: it refuses the others."""
    return functools.partial(_with_options, FORMATS, narrowing, takes)


def refuse_narrowing(options: Options, narrowing: Sequence[str] = (), when: str = "") -> None:
    """Raise UsageError for an option that would select, and that nothing looks at."""
    for name, given in zip(SELECTING, (options.tenants, options.targets, options.excluded), strict=True):
        if given and name not in narrowing:
            path = click.get_current_context().command_path
            raise UsageError(f"`{path}`{when} takes no --{name}: it would narrow nothing", hint="leave it out")


_OF_PROJECT = {
    "d": click.option(
        "--database", metavar="URL", help="Database, before RECONCILER_DATABASE_URL and the project's own."
    ),
    "p": click.option(
        "--project", metavar="FILE", shell_complete=files, help="Project file; default: reconciler.yaml here or above."
    ),
    "e": click.option(
        "--env",
        metavar="E",
        envvar=ENVIRONMENT_VARIABLE,
        shell_complete=environments,
        help=f"Environment of the project; also {ENVIRONMENT_VARIABLE}.",
    ),
}
"""Options that say where a project is, by the letters of what a command takes."""


def _with_options(
    formats: Sequence[str], narrowing: Sequence[str], takes: str, command: Callable[..., Any]
) -> Callable[..., Any]:

    @click.option(
        "--tenant",
        "tenants",
        metavar="T",
        multiple=True,
        shell_complete=tenants,
        hidden="tenant" not in narrowing,
        help="Only this tenant; may be repeated.",
    )
    @click.option(
        "--target",
        "targets",
        metavar="ADDRESS",
        multiple=True,
        shell_complete=addresses,
        hidden="target" not in narrowing,
        help="Only this address; may be repeated.",
    )
    @click.option(
        "--exclude",
        "excluded",
        metavar="ADDRESS|PATTERN",
        multiple=True,
        shell_complete=addresses,
        hidden="exclude" not in narrowing,
        help="All but these, such as 'acme/policy/*'; may be repeated.",
    )
    @click.option(
        "--max-file",
        metavar="MIB",
        type=click.IntRange(1, 1024),
        hidden="m" not in takes,
        help="Read manifests of up to this many MiB each; default: 16.",
    )
    @click.option("--format", type=click.Choice(formats), default="text", show_default=True, help="Form of the result.")
    @click.option("--no-color", is_flag=True, help="No colours; NO_COLOR does the same, and FORCE_COLOR the opposite.")
    @click.option(
        "-v",
        "--verbose",
        is_flag=True,
        help="Report how long each stage took, on stderr; cut nothing, and show equal changes one by one.",
    )
    @click.option("-q", "--quiet", is_flag=True, help="Tell only the essential: a plan as its summary.")
    @functools.wraps(command)
    def wrapped(
        tenants: tuple[str, ...],
        targets: tuple[str, ...],
        excluded: tuple[str, ...],
        max_file: int | None,
        format: str,
        no_color: bool,
        verbose: bool,
        quiet: bool,
        **rest: Any,
    ) -> Any:
        database, project, env = (rest.pop(name, None) for name in ("database", "project", "env"))
        options = Options(database, project, env, tenants, targets, format, no_color, verbose, quiet, excluded)
        refuse_narrowing(options, narrowing)
        if max_file is not None:
            from reconciler.load import documents

            documents.MAX_BYTES = max_file * 2**20
        try:
            return command(options=options, **rest)
        finally:
            options.progress.done()

    for letter, option in reversed(_OF_PROJECT.items()):
        wrapped = option(wrapped) if letter in takes else wrapped
    return wrapped


def print_json(document: Any) -> None:
    """One document, indented, keys in their order."""
    from reconciler.diff.visible import visible_json

    with own_words():
        click.echo(visible_json(orjson.dumps(without_secrets(document), option=orjson.OPT_INDENT_2).decode()))


def print_plan(plan: Plan) -> None:
    """Print a plan's document in pieces; the plan is ``plan_without_secrets``."""
    from reconciler.diff.visible import visible_json
    from reconciler.plan.indented import indented

    print_pieces(visible_json(piece.decode()) for piece in indented(plan))


def print_beside_plan(document: dict[str, Any], name: str, plan: Plan) -> None:
    """``document``, which is not empty, and after its other keys the plan's own as ``name``, in pieces."""
    from reconciler.diff.visible import visible_json
    from reconciler.plan.indented import indented

    before = orjson.dumps(without_secrets(document), option=orjson.OPT_INDENT_2).removesuffix(b"\n}").decode()
    inside = (piece.replace(b"\n", b"\n  ").decode() for piece in indented(plan_without_secrets(plan)))
    with own_words():
        print_pieces(map(visible_json, chain([f'{before},\n  "{name}": '], inside, ["\n}"])))


def plan_without_secrets(plan: Plan) -> Plan:
    """Return the plan with every secret masked in the bodies that it shows; names and addresses are its own words."""
    if not knows_secrets():
        return plan
    found = tuple(map(_change_without_secrets, plan.changes))
    return replace(plan, changes=found) if any(map(is_not, found, plan.changes)) else plan


def _change_without_secrets(change: Change) -> Change:
    bodies = change.before, change.after  # read anew each time that they are asked for
    old, new = map(without_secrets, bodies)
    return change if (old, new) == bodies else replace(change, old=old, new=new)


def print_pieces(pieces: Iterable[str]) -> None:
    """One text, as long as it may be."""
    for piece in pieces:
        click.echo(piece, nl=False)
    click.echo()


def print_lines(lines: Iterable[str], style: Style) -> None:
    """Text for people; as wide as their terminal, if it is one. In pieces: a plan may have a million lines."""
    parts = (part for line in lines for part in style.lines(line))
    while piece := [*islice(parts, 1000)]:
        click.echo("\n".join(piece))


def print_changes(changes: Sequence[Change], style: Style) -> None:
    """Print a plan's changes as text for people, by several processes where there are many."""
    from reconciler.render.groups import MOST, groups, neighbours
    from reconciler.render.plan_text import group_lines

    def work(batch: Sequence[Change]) -> str:
        return shown([[change] for change in batch] if style.whole else neighbours(batch))

    def shown(found: Iterable[Sequence[Change]]) -> str:
        lines = [line for group in found for line in group_lines(group, style)]
        if style.width is not None:
            lines = [part for line in lines for part in style.lines(line)]
        return "\n".join((*lines, ""))

    few = len(changes) <= MOST and not style.whole
    for text in in_batches(shown, groups(changes), forked) if few else in_batches(work, changes, forked):
        click.echo(text, nl=False)

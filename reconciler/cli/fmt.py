"""``fmt``: YAML files in, the same files in the canonical style out; never touches a database."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import click
from msgspec import Struct, field

from reconciler.cli.options import print_json
from reconciler.cli.workspace import Options, Workspace
from reconciler.diff.visible import visible
from reconciler.errors import ConfigurationInvalid, Problem, Problems, ReconcilerError, UsageError
from reconciler.files import write_atomically
from reconciler.layout.difference import difference
from reconciler.layout.files import files_of_paths, files_of_project
from reconciler.layout.format import formatted
from reconciler.load.discover import real
from reconciler.load.load import no_collector
from reconciler.load.paths import STDIN
from reconciler.load.source import Source, read_source, read_stdin
from reconciler.render.problems import errors_json


@click.command("fmt")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Print what changes as a unified diff, instead of names.")
@click.option("--project", metavar="FILE", help="Project file; default: reconciler.yaml here or above.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the result.",
)
def command(paths: tuple[str, ...], check: bool, diff: bool, project: str | None, form: str) -> int:
    """Write YAML files in the canonical style.

    Prints the names of the files that change. Values, comments, anchors and all orders stay as they are.

    PATH is a file, a folder or `-` (stdin to stdout); without PATH the files of the project around the working directory:
    reconciler.yaml, its manifests and all overlays. --diff shows lines as they are written, values included.
    """
    if paths and project is not None:
        raise UsageError("--project and PATH say different things", hint="leave out one of them")
    result = Result()
    with no_collector():
        if STDIN in paths:
            _from_stdin(paths, result, check or diff or form == "json")
        else:
            for path in _files(paths, project, result.invalid):
                _format(path, result, write=not check)
    if form == "json":
        print_json(result.json(diff))
    else:
        for name, before, after in result.changed:
            for line in difference(name, before, after) if diff else [name]:
                click.echo(visible(line))
        if result.invalid.found:
            raise ConfigurationInvalid(*dict.fromkeys(result.invalid.found), *result.failed)
        if result.failed:
            raise ReconcilerError(*result.failed)
    return result.exit_code(check)


class Result(Struct):
    """What became of all files: name, text before and text after of those that change; what is wrong with the others."""

    checked: int = 0
    changed: list[tuple[str, str, str]] = field(default_factory=list)
    invalid: Problems = field(default_factory=Problems)
    failed: list[Problem] = field(default_factory=list)

    def exit_code(self, check: bool) -> int:
        if self.invalid.found:
            return ConfigurationInvalid.exit_code
        return int(bool(self.failed) or (check and bool(self.changed)))

    def json(self, diff: bool) -> dict[str, Any]:
        changed: list[dict[str, str]] = [{"file": name} for name, _, _ in self.changed]
        if diff:
            for entry, one in zip(changed, self.changed, strict=True):
                entry["diff"] = "".join(f"{line}\n" for line in difference(*one))
        problems = [*dict.fromkeys(self.invalid.found), *self.failed]
        return {**errors_json(problems), "checked": self.checked, "changed": changed}


def _files(paths: tuple[str, ...], file: str | None, problems: Problems) -> list[Path]:
    if "" in paths:
        raise UsageError("an empty text is no PATH", hint="is a variable of your shell not set?")
    if paths:
        return files_of_paths([*paths], problems)
    project = Workspace(Options(project=file), ()).project
    return files_of_project(project, problems) if project.has_file else files_of_paths(["."], problems)


def _from_stdin(paths: tuple[str, ...], result: Result, silent: bool) -> None:
    if len(paths) > 1:
        raise UsageError("`-` stands alone", hint="leave out the other PATHs")
    problems = Problems()
    text = _text(read_stdin(problems), problems, result)
    if text is not None and not silent:
        click.echo(text, nl=False)
        result.changed.clear()


def _format(path: Path, result: Result, write: bool) -> None:
    problems, count = Problems(), len(result.changed)
    text = _text(read_source(path, problems), problems, result)
    if text is None or not write or len(result.changed) == count:
        return
    try:
        target = real(path)  # a link stays a link
        write_atomically(target, text, stat.S_IMODE(target.stat().st_mode))
    except ReconcilerError as error:
        result.failed.extend(error.problems)
        result.changed.pop()


def _text(source: Source | None, problems: Problems, result: Result) -> str | None:
    """Return the canonical text; None where there is none, and the result says why."""
    result.checked += 1
    result.invalid.found.extend(problems.found)
    if source is None or problems.found:
        return None
    data = formatted(source)
    if isinstance(data, Problem):
        result.failed.append(data)
        return None
    text = data.decode()
    if data != source.data:
        result.changed.append((source.name, source.data.decode(), text))
    return text

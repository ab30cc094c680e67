"""``scan``: files of any sort in, the places of what looks like a secret out; never the secret, never a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
from msgspec import Struct, field

from reconciler.cli.git import Unavailable, ignored_below
from reconciler.cli.options import print_json
from reconciler.cli.pipeline import in_repository
from reconciler.diff.visible import visible
from reconciler.errors import ConfigurationInvalid, Place, Problem, UsageError
from reconciler.load.scan import Scanned, scan_file
from reconciler.load.source import shown_name
from reconciler.model.amount import amount
from reconciler.model.secret_text import masked
from reconciler.render.formats import PROBLEM_FORMATS
from reconciler.render.problems import errors_json


@click.command("scan")
@click.argument("paths", nargs=-1, metavar="PATH...", required=True)
@click.option("--ignored", is_flag=True, help="Look at files that git ignores, too.")
@click.option("-q", "--quiet", is_flag=True, help="Print no summary.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", *PROBLEM_FORMATS]),
    default="text",
    show_default=True,
    help="Form of the result.",
)
def command(paths: tuple[str, ...], ignored: bool, quiet: bool, form: str) -> int:
    """Find what looks like a secret in files of any sort; exit 1 if there is any.

    Prints file:line:column and what each looks like, never the secret. PATH is a file, or a folder with all that is below it.
    Left out are .git, what git ignores (a file that is named is always looked at), binary files and files larger than 16 MiB.

    The comment `reconciler: not-a-secret` on a line, or on a comment's line right above, allows what stands there.
    """
    result = Result()
    for path in _files(paths, ignored, result):
        result.add(path, scan_file(path))
    if form == "json":
        found = errors_json([*result.found, *result.failed])
        print_json({**found, "secret_count": len(result.found), "checked": result.checked, "skipped": result.skipped})
    elif form in PROBLEM_FORMATS:
        document = {**errors_json([*result.found, *result.failed]), "files": result.files, "command": "reconciler scan"}
        click.echo(PROBLEM_FORMATS[form](in_repository(document)))
    else:
        for problem in (*result.found, *result.failed):
            click.echo(visible(masked(f"{problem.place}: {problem.message}")))
        if not quiet:
            click.echo(result.summary())
    return int(bool(result.found or result.failed))


class Result(Struct):
    """What became of all files: secrets, problems of reading, names of those that were looked at, and of those skipped."""

    found: list[Problem] = field(default_factory=list)
    failed: list[Problem] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)

    @property
    def checked(self) -> int:
        return len(self.files)

    def add(self, path: Path, scanned: Scanned) -> None:
        name = shown_name(path)
        self.found += scanned.found
        if scanned.problem is not None:
            self.failed.append(scanned.problem)
        elif scanned.skipped:
            self.skip(name, scanned.skipped)
        else:
            self.files.append(name)

    def skip(self, name: str, reason: str) -> None:
        self.skipped.append({"file": masked(name), "reason": reason})

    def summary(self) -> str:
        """Return the last line, e.g. ``2 secrets in 1 file; 14 files checked, 1 skipped.``."""
        holding = len({problem.place.file for problem in self.found if problem.place})
        told = f"{amount(len(self.found), 'secret')} in {amount(holding, 'file')}" if self.found else "No secrets found"
        return f"{told}; {amount(self.checked, 'file')} checked, {len(self.skipped)} skipped."


def _files(paths: tuple[str, ...], with_ignored: bool, result: Result) -> Iterator[Path]:
    """Each file once, in the order of names. Raises ConfigurationInvalid for a path that does not exist."""
    if "" in paths or "-" in paths:
        raise UsageError(
            "PATH is a file or a folder", hint="is a variable of your shell not set?" if "" in paths else None
        )
    absent = [path for path in paths if not os.path.lexists(path)]
    if absent:
        raise ConfigurationInvalid(
            *(Problem("no-such-path", f"{shown_name(Path(path))} does not exist", place=Place(path)) for path in absent)
        )
    once: dict[str, Path] = {}
    for given in paths:
        for path in _below(Path(given), with_ignored, result) if os.path.isdir(given) else [Path(given)]:
            once.setdefault(os.path.realpath(path), path)
    yield from once.values()


def _below(folder: Path, with_ignored: bool, result: Result) -> Iterator[Path]:
    """Yield the files below a folder; links are not followed, since what they lead to is below, or belongs to others."""
    left_out = frozenset[str]()
    if not with_ignored:
        try:
            left_out = ignored_below(folder)
        except Unavailable as error:
            click.echo(f"git can't say which files it ignores ({error.reason}): all are looked at", err=True)
    for here, folders, files in os.walk(folder, onerror=lambda error: result.failed.append(_unreadable(error))):
        folders[:] = sorted(
            one for one in folders if one != ".git" and os.path.realpath(Path(here, one)) not in left_out
        )
        for name in sorted(files):
            path = Path(here, name)
            if not path.is_symlink() and os.path.realpath(path) not in left_out:
                yield path


def _unreadable(error: OSError) -> Problem:
    name = shown_name(Path(os.fsdecode(error.filename)))
    return Problem("file-unreadable", f"can't read {name}: {error.strerror}", place=Place(name))

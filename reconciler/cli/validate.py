"""``validate``: files in, every problem out; never touches a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click
from msgspec.structs import replace

from reconciler.cli import complete
from reconciler.cli.credentials import Checks, bodies_of, checking, located, run_checks
from reconciler.cli.opening import project_file
from reconciler.cli.options import common_with, print_json, print_lines
from reconciler.cli.pipeline import in_repository
from reconciler.cli.selecting import require_known
from reconciler.cli.workspace import Options, Workspace
from reconciler.errors import (
    ConfigurationInvalid,
    CredentialUnresolved,
    IntegrityFailed,
    Problem,
    Problems,
    ReconcilerError,
    Refused,
    UsageError,
    in_order,
)
from reconciler.load.fixes import fix_files
from reconciler.load.loaded import Loaded
from reconciler.load.paths import STDIN
from reconciler.load.source import shown_name
from reconciler.model.address import Address
from reconciler.model.amount import amount
from reconciler.render.formats import PROBLEM_FORMATS
from reconciler.render.problems import errors_json, problem_text, warnings_json


@click.command("validate")
@click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=complete.files)
@checking
@click.option(
    "--fix", is_flag=True, help="First write what is safe to write: misspelt names, quotes, numbers; then check."
)
@common_with(*PROBLEM_FORMATS)
def command(options: Options, paths: tuple[str, ...], checks: Checks, fix: bool) -> int:
    """Check the configuration.

    Tells every problem of every file, with its place and the next step. Without --check and --probe it asks nobody:
    neither a database nor a store of secrets.

    PATH is a file, a folder or `-`; without PATH the project around the working directory. Where the project has
    environments, all of them are checked unless --env names one.

    With --fix what a hint says is written into the files where nobody has to decide anything; comments and all other bytes
    stay, and what is left is reported.
    """
    if fix:
        _fix(options, paths)
    references = 0
    known: set[Address] = set()

    def visit(environment: str | None, loaded: Loaded) -> None:
        nonlocal references
        if options.targets or options.tenants:
            known.update(loaded.configuration.resources)
        may_ask = STDIN not in paths
        found = run_checks(workspace, environment, checks, bodies_of(loaded), located(loaded), may_ask)
        references += len(found)

    try:
        workspace = Workspace(options, paths)
        checked = check(workspace, paths, visit)
        checked.problems.update(dict.fromkeys(_of_lint(workspace)))
    except ConfigurationInvalid as error:  # the project file, which comes before all others
        found = [*error.problems, *_beside(options, paths)]
        checked = Checked(dict.fromkeys(found), {}, dict.fromkeys(error.files))
    if checked.problems:
        return tell_problems(options.format, checked)
    require_known(options, known, "is not in the configuration")
    if options.format in PROBLEM_FORMATS:
        click.echo(_report(options.format, checked))
    elif options.format == "json":
        print_json(
            {
                "format_version": "1.0",
                "valid": True,
                "error_count": 0,
                "errors": [],
                "warnings": warnings_json(checked.warnings),
                "environments": [{"environment": name, "resources": count} for name, count in checked.counts.items()],
                **({"references": references} if checks.resolve else {}),
            }
        )
    elif not options.quiet:
        told = ", ".join(f"{count} resources{f' in {name}' if name else ''}" for name, count in checked.counts.items())
        behind = (
            f" {_BEHIND.get(references, f'All {references} references to secrets resolve.')}" if checks.resolve else ""
        )
        for warning in checked.warnings:
            print_lines([*problem_text(warning, options.style, "warning").splitlines(), ""], options.style)
        print_lines([f"Success! The configuration is valid: {told}.{behind}"], options.style)
    return 0


def _beside(options: Options, paths: tuple[str, ...]) -> Sequence[Problem]:
    """Return the problems of manifests beside an invalid project file."""
    from reconciler.load.beside import problems_beside

    file = project_file(options.project, paths)
    try:
        return () if file is None else problems_beside(file.absolute(), paths)
    except ReconcilerError:  # such as paths that only a valid project file would explain
        return ()


def _fix(options: Options, paths: tuple[str, ...]) -> None:
    """Mend what is safe; one mended problem may uncover others."""
    if STDIN in paths:
        raise UsageError("--fix writes files, and stdin is none", hint="name files or folders")
    for _ in range(ROUNDS):
        try:
            found = [*check(Workspace(options, paths), paths).problems]
        except ConfigurationInvalid as error:
            found = [*error.problems]
        fixed = fix_files(found)
        if not fixed.problems:
            return
        click.echo(f"Fixed {amount(fixed.problems, 'problem')} in {', '.join(fixed.files)}.", err=True)


ROUNDS = 5
"""How often files are mended and read again."""


def _of_lint(workspace: Workspace) -> Sequence[Problem]:
    """Return what is wrong with `lint` of reconciler.yaml and with the rules that it names."""
    if workspace.project.settings.lint is None:
        return ()
    from reconciler.lint.read import read_rules

    problems = Problems()
    read_rules(workspace.project, (), problems)
    return problems.found


_BEHIND = {0: "It refers to no secret.", 1: "Its reference to a secret resolves."}


class Checked(NamedTuple):
    """What was found in all environments: problems and names of files, each once, and resources by environment."""

    problems: dict[Problem, None]
    counts: dict[str | None, int]
    files: dict[str, None]
    exit_code: int = ConfigurationInvalid.exit_code
    warnings: tuple[Problem, ...] = ()


def tell_problems(form: str, checked: Checked, command: str = "reconciler validate") -> int:
    """Print what makes a configuration invalid; text is the error's own."""
    if form in PROBLEM_FORMATS:
        click.echo(_report(form, checked, command))
        return checked.exit_code
    if form == "json":
        found = errors_json(checked.problems, checked.warnings)
        print_json({"valid": False, "error_count": len(checked.problems), **found})
        return checked.exit_code
    error = _BY_CODE.get(checked.exit_code, ReconcilerError)(*checked.problems)
    error.warnings = checked.warnings
    raise error


_BY_CODE = {error.exit_code: error for error in (ConfigurationInvalid, CredentialUnresolved, IntegrityFailed)}


def _report(form: str, checked: Checked, command: str = "reconciler validate") -> str:
    document = {**errors_json(checked.problems), "files": [*checked.files], "command": command}
    document["errors"] += warnings_json(checked.warnings)
    return PROBLEM_FORMATS[form](in_repository(document))


class _Doubts:
    """What selects nothing, by environment."""

    def __init__(self) -> None:
        self._warnings: dict[Problem, list[str | None]] = {}
        self._unsure: dict[tuple[str, str, bool], list[tuple[Problem, str | None]]] = {}
        """By place and message: a hint may name what another environment does not have."""

    def add(self, environment: str | None, warnings: Iterable[Problem], unsure: Iterable[tuple[Problem, bool]]) -> None:
        for problem in warnings:
            self._warnings.setdefault(problem, []).append(environment)
        for problem, is_error in unsure:
            key = (str(problem.place), problem.message, is_error)
            self._unsure.setdefault(key, []).append((problem, environment))

    def told(self, environments: int, whole: bool) -> tuple[list[Problem], dict[Problem, list[str | None]]]:
        """Return errors, and warnings with their environments.

        A problem of the project's file counts where it holds in each environment; it is an error only where all were looked at (``whole``).
        """
        errors, warnings = list[Problem](), dict(self._warnings)
        for (_, _, is_error), found in self._unsure.items():
            problem = max((one for one, _ in found), key=lambda one: len(one.hint or ""))
            if len(found) == environments and is_error and whole:
                errors.append(problem)
            elif len(found) == environments:
                warnings[problem] = [where for _, where in found]
        return errors, warnings


def _in_environments(found: Mapping[Problem, Sequence[str | None]], environments: int) -> dict[Problem, None]:
    """Return problems with their environments; one of all environments names none."""
    told: dict[Problem, None] = {}
    for problem, where in found.items():
        named = f"{problem.message} (in {', '.join(map(str, where))})"
        told[problem if len(where) == environments else replace(problem, message=named)] = None
    return told


def check(
    workspace: Workspace,
    paths: tuple[str, ...],
    visit: Callable[[str | None, Loaded], None] | None = None,
    thoroughly: bool = False,
) -> Checked:
    """Load the environment that was named, or all; ``visit`` sees each that is valid, and may raise what is wrong with it.

    Where several exit codes hold, the highest counts.
    """
    environment = workspace.environment(required=False)
    found = Checked({}, {}, {})
    environments: dict[Problem, list[str | None]] = {}
    elsewhere: list[Problem] = []
    doubts = _Doubts()
    codes: list[int] = []
    wanted: list[str | None] = [environment] if environment else [*workspace.environments] or [None]
    for name in wanted:
        try:
            loaded = workspace.load(name, thoroughly, served=True)
            configuration = loaded.configuration
            found.counts[name] = len(configuration.resources)
            found.files.update((shown_name(Path(file)), None) for file in configuration.files if file)
            doubts.add(name, loaded.judgement.warnings, loaded.judgement.unsure)
            if visit is not None:
                visit(name, loaded)
        except (UsageError, Refused):
            raise
        except ReconcilerError as error:
            codes.append(error.exit_code)
            if isinstance(error, ConfigurationInvalid):
                found.files.update(dict.fromkeys(error.files))
                doubts.add(name, error.warnings, error.unsure)
            if paths and all(problem.code == "no-manifest" for problem in error.problems):
                elsewhere.extend(error.problems)  # an overlay belongs to one environment: enough if one has it
            else:
                for problem in error.problems:
                    environments.setdefault(problem, []).append(name)
    errors, warnings = doubts.told(len(wanted), whole=len(wanted) >= len(workspace.environments))
    codes += [ConfigurationInvalid.exit_code] if errors else []
    found.problems.update(_in_environments(environments, len(wanted)))
    found.problems.update(dict.fromkeys(errors))
    found = found._replace(warnings=tuple(in_order(_in_environments(warnings, len(wanted)))))
    if not found.counts and not found.problems:
        found.problems.update(dict.fromkeys(elsewhere))
    if workspace.project.source:
        found.files[workspace.project.source.name] = None
    return found._replace(exit_code=max(codes)) if codes else found

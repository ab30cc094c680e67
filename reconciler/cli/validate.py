"""``validate``: files in, every problem out; never touches a database, except for ``--check`` of what it keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import click

from reconciler.cli import complete
from reconciler.cli.credentials import Checks, bodies_of, checking, located, run_checks
from reconciler.cli.options import common_with, print_json, print_lines
from reconciler.cli.pipeline import in_repository
from reconciler.cli.workspace import Options, Workspace
from reconciler.errors import (
    ConfigurationInvalid,
    CredentialUnresolved,
    IntegrityFailed,
    Problem,
    ReconcilerError,
    Refused,
    UsageError,
)
from reconciler.load.load import STDIN
from reconciler.load.source import shown_name
from reconciler.render.formats import PROBLEM_FORMATS
from reconciler.render.problems import errors_json


@click.command("validate")
@click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=complete.files)
@checking
@common_with(*PROBLEM_FORMATS)
def command(options: Options, paths: tuple[str, ...], checks: Checks) -> int:
    """Check the configuration.

    Tells every problem of every file, with its place and the next step. Without --check and --probe it asks nobody: neither a
    database nor a store of secrets.

    PATH is a file, a folder or `-`; without PATH the project around the working directory. Where the project has
    environments, all of them are checked unless --env names one.
    """
    try:
        checked = _check(Workspace(options, paths), options, paths, checks)
    except ConfigurationInvalid as error:  # the project file, which comes before all others
        checked = Checked(dict.fromkeys(error.problems), {}, dict.fromkeys(error.files))
    problems, code = checked.problems, checked.exit_code
    if options.format in PROBLEM_FORMATS:
        document = in_repository({**errors_json(problems), "files": [*checked.files]})
        click.echo(PROBLEM_FORMATS[options.format](document))
    elif options.format == "json":
        found = [{"environment": name, "resources": count} for name, count in checked.counts.items()]
        references = {"references": checked.references} if checks.resolve else {}
        invalid = {} if problems else {"environments": found, **references}
        print_json({"valid": not problems, "error_count": len(problems), **errors_json(problems), **invalid})
    elif problems:
        raise BY_CODE.get(code, ReconcilerError)(*problems)
    elif not options.quiet:
        told = ", ".join(f"{count} resources{f' in {name}' if name else ''}" for name, count in checked.counts.items())
        behind = f" All {checked.references} references to secrets resolve." if checks.resolve else ""
        print_lines([f"Success! The configuration is valid: {told}.{behind}"], options.style)
    return code if problems else 0


BY_CODE = {one.exit_code: one for one in (ReconcilerError, ConfigurationInvalid, CredentialUnresolved, IntegrityFailed)}


class Checked(NamedTuple):
    """What was found in all environments: problems and names of files, each once, and resources by environment."""

    problems: dict[Problem, None]
    counts: dict[str | None, int]
    files: dict[str, None]
    references: int = 0
    exit_code: int = ConfigurationInvalid.exit_code


def _check(workspace: Workspace, options: Options, paths: tuple[str, ...], checks: Checks) -> Checked:
    environment = workspace.environment(required=False)
    found = Checked({}, {}, {})
    environments: dict[Problem, list[str | None]] = {}
    elsewhere: list[Problem] = []
    codes, references = [0], 0
    wanted: list[str | None] = [environment] if environment else [*workspace.environments] or [None]
    for name in wanted:
        try:
            loaded = workspace.load(name)
            configuration = loaded.configuration
            found.counts[name] = len(configuration.resources)
            found.files.update((shown_name(Path(file)), None) for file in configuration.files if file)
            references += len(
                run_checks(workspace, name, checks, bodies_of(loaded), located(loaded), STDIN not in paths)
            )
        except (UsageError, Refused):
            raise
        except ReconcilerError as error:
            codes.append(error.exit_code)
            if isinstance(error, ConfigurationInvalid):
                found.files.update(dict.fromkeys(error.files))
            if paths and all(problem.code == "no-manifest" for problem in error.problems):
                elsewhere.extend(error.problems)  # an overlay belongs to one environment: enough if one has it
            else:
                for problem in error.problems:
                    environments.setdefault(problem, []).append(name)
    # what is wrong everywhere needs no name; what is wrong in some says in which
    for problem, where in environments.items():
        named = f"{problem.message} (in {', '.join(map(str, where))})"
        found.problems[problem if len(where) == len(wanted) else replace(problem, message=named)] = None
    if not found.counts and not found.problems:
        found.problems.update(dict.fromkeys(elsewhere))
    if workspace.project.source:
        found.files[workspace.project.source.name] = None
    return found._replace(references=references, exit_code=max(codes) or ConfigurationInvalid.exit_code)

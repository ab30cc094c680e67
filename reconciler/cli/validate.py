"""``validate``: files in, every problem out; never touches a database."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import click

from reconciler.cli.options import common_with, print_json
from reconciler.cli.pipeline import in_repository
from reconciler.cli.workspace import Options, Workspace
from reconciler.errors import ConfigurationInvalid, Problem
from reconciler.load.source import shown_name
from reconciler.render.formats import PROBLEM_FORMATS
from reconciler.render.problems import errors_json


@click.command("validate")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@common_with(*PROBLEM_FORMATS)
def command(options: Options, paths: tuple[str, ...]) -> int:
    """Check the configuration.

    Tells every problem of every file, with its place and the next step.

    PATH is a file, a folder or `-`; without PATH the project around the working directory. Where the project has
    environments, all of them are checked unless --env names one.
    """
    try:
        checked = _check(Workspace(options, paths), options, paths)
    except ConfigurationInvalid as error:  # the project file, which comes before all others
        checked = Checked(dict.fromkeys(error.problems), {}, dict.fromkeys(error.files))
    problems = checked.problems
    if options.format in PROBLEM_FORMATS:
        document = in_repository({**errors_json(problems), "files": [*checked.files]})
        click.echo(PROBLEM_FORMATS[options.format](document))
        return ConfigurationInvalid.exit_code if problems else 0
    if problems:
        if options.format == "json":
            print_json({"valid": False, "error_count": len(problems), **errors_json(problems)})
            return ConfigurationInvalid.exit_code
        raise ConfigurationInvalid(*problems)
    if options.format == "json":
        print_json(
            {
                "format_version": "1.0",
                "valid": True,
                "error_count": 0,
                "errors": [],
                "environments": [{"environment": name, "resources": count} for name, count in checked.counts.items()],
            }
        )
    elif not options.quiet:
        told = ", ".join(f"{count} resources{f' in {name}' if name else ''}" for name, count in checked.counts.items())
        click.echo(f"Success! The configuration is valid: {told}.")
    return 0


class Checked(NamedTuple):
    """What was found in all environments: problems and names of files, each once, and resources by environment."""

    problems: dict[Problem, None]
    counts: dict[str | None, int]
    files: dict[str, None]


def _check(workspace: Workspace, options: Options, paths: tuple[str, ...]) -> Checked:
    environment = workspace.environment(required=False)
    found = Checked({}, {}, {})
    environments: dict[Problem, list[str | None]] = {}
    elsewhere: list[Problem] = []
    wanted: list[str | None] = [environment] if environment else [*workspace.environments] or [None]
    for name in wanted:
        try:
            configuration = workspace.load(name).configuration
            found.counts[name] = len(configuration.resources)
            found.files.update((shown_name(Path(file)), None) for file in configuration.files if file)
        except ConfigurationInvalid as error:
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
    return found

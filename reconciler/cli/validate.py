"""``validate``: files in, every problem out; never touches a database."""

from __future__ import annotations

import click

from reconciler.cli.options import common, print_json
from reconciler.cli.workspace import Options, Workspace
from reconciler.errors import ConfigurationInvalid, Problem
from reconciler.render.problems import errors_json


@click.command("validate")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@common
def command(options: Options, paths: tuple[str, ...]) -> int:
    """Check the configuration.

    Tells every problem of every file, with its place and the next step.

    PATH is a file, a folder or `-`; without PATH the project around the working directory. Where the project has
    environments, all of them are checked unless --env names one.
    """
    workspace = Workspace(options, paths)
    environment = workspace.environment(required=False)
    checked: list[str | None] = [environment] if environment else list(workspace.environments) or [None]
    problems: dict[Problem, None] = {}
    counts: dict[str | None, int] = {}
    elsewhere: list[Problem] = []
    for name in checked:
        try:
            counts[name] = len(workspace.load(name).configuration.resources)
        except ConfigurationInvalid as error:
            if paths and all(problem.code == "no-manifest" for problem in error.problems):
                elsewhere.extend(error.problems)  # an overlay belongs to one environment: enough if one has it
            else:
                problems |= dict.fromkeys(error.problems)
    if not counts and not problems:
        problems = dict.fromkeys(elsewhere)
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
                "environments": [{"environment": name, "resources": count} for name, count in counts.items()],
            }
        )
    elif not options.quiet:
        told = ", ".join(f"{count} resources{f' in {name}' if name else ''}" for name, count in counts.items())
        click.echo(f"Success! The configuration is valid: {told}.")
    return 0

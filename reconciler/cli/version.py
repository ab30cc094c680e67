"""``version``: which reconciler this is."""

from __future__ import annotations

import platform

import click

import reconciler


@click.command("version")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Form of the result.")
def command(form: str) -> int:
    """Print the version."""
    version = getattr(reconciler, "__version__", "unknown")
    if form == "json":
        from reconciler.cli.options import print_json

        print_json({"format_version": "1.0", "version": version, "python": platform.python_version()})
    else:
        click.echo(f"reconciler, version {version}")
    return 0

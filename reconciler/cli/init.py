"""``init``: a folder with a small project that validates, plans and applies."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import click

from reconciler.cli.options import common, print_json
from reconciler.cli.workspace import Options
from reconciler.errors import Refused

FILES = ("reconciler.yaml", "manifests/acme.yaml")
IGNORED = ".reconciler/"


@click.command("init")
@click.argument(
    "folder", required=False, default=".", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path)
)
@common
def command(options: Options, folder: Path) -> int:
    """Start a project in DIR.

    Writes settings, one manifest to edit, and a .gitignore for local state. Overwrites nothing.
    """
    starter = resources.files("reconciler.cli") / "starter"
    existing = [name for name in FILES if (folder / name).exists()]
    if existing:
        raise Refused(
            f"{folder / existing[0]} exists already; nothing was written",
            code="exists",
            hint="edit it, or start in another folder",
        )
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:63].strip("-") or "default"
    written = []
    for relative in FILES:
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((starter / Path(relative).name).read_text().replace("PROJECT", name))
        written.append(str(path))
    ignore = folder / ".gitignore"
    lines = ignore.read_text().splitlines() if ignore.exists() else []
    if IGNORED not in lines:
        ignore.write_text("\n".join([*lines, IGNORED]) + "\n")
        written.append(str(ignore))
    if options.format == "json":
        print_json({"format_version": "1.0", "written": written})
        return 0
    for path_name in written:
        click.echo(f"Wrote {path_name}")
    where = "" if str(folder) == "." else f"cd {folder} && "
    click.echo(f"\nNext: {where}reconciler plan\nThen: {where}reconciler apply")
    return 0

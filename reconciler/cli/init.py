"""``init``: a folder with a small project that validates, plans and applies."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import click

from reconciler.cli.options import OUTPUT, common_by, print_json
from reconciler.cli.workspace import Options
from reconciler.errors import Refused
from reconciler.files import make_folder, write_atomically
from reconciler.render.schemas import SUFFIX, schema_text, schemas

FILES = ("reconciler.yaml", "manifests/acme.yaml")
SCHEMAS = ("project", "manifest", "overlay")
"""What the files' first lines point an editor to. They are committed with the project, so that a clone has them too."""
IGNORED = ".reconciler/"


@click.command("init")
@click.argument(
    "folder", required=False, default=".", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path)
)
@common_by(takes=OUTPUT)
def command(options: Options, folder: Path) -> int:
    """Start a project in DIR.

    Writes settings, one manifest to edit, the schemas that editors check both by, and a .gitignore for local state.
    Overwrites nothing.
    """
    known = schemas()
    described = {f"schemas/{name}{SUFFIX}": schema_text(known[name]) for name in SCHEMAS}
    existing = [name for name in FILES if (folder / name).exists()]
    existing += [name for name, text in described.items() if not _free(folder / name, text)]
    if existing:
        raise Refused(
            f"{folder / existing[0]} exists already; nothing was written",
            code="exists",
            hint="edit it, or start in another folder",
        )
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:63].strip("-") or "default"
    starter = resources.files("reconciler.cli") / "starter"
    texts = {file: (starter / Path(file).name).read_text().replace("PROJECT", name) for file in FILES}
    made = []
    for relative, text in (texts | described).items():
        path = folder / relative
        make_folder(path.parent)
        write_atomically(path, text)
        made.append(str(path))
    ignore = folder / ".gitignore"
    lines = ignore.read_text().splitlines() if ignore.exists() else []
    if IGNORED not in lines:
        write_atomically(ignore, "\n".join([*lines, IGNORED]) + "\n")
        made.append(str(ignore))
    if options.format == "json":
        print_json({"format_version": "1.0", "written": made})
        return 0
    for path_name in made:
        click.echo(f"Wrote {path_name}")
    where = "" if str(folder) == "." else f"cd {folder} && "
    click.echo(f"\nNext: {where}reconciler plan\nThen: {where}reconciler apply")
    return 0


def _free(path: Path, text: str) -> bool:
    """Whether a schema may be written there: `reconciler schema --out schemas` may have been first."""
    return not path.exists() or (path.is_file() and path.read_bytes() == text.encode())

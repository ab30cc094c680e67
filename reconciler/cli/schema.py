"""``schema``: the JSON Schemas of manifests, overlays, the project's file, files of rules, plans and each kind, for editors."""

from __future__ import annotations

import os
from pathlib import Path

import click

from reconciler.cli import complete
from reconciler.cli.options import OUTPUT, common_by, print_json
from reconciler.cli.workspace import Options
from reconciler.committed import written
from reconciler.errors import ReconcilerError, UsageError
from reconciler.kinds.nearest import near
from reconciler.render.schemas import SUFFIX, schema_text, schemas


@click.command("schema")
@click.argument("name", required=False, metavar="[NAME]", shell_complete=complete.schema_names)
@click.option(
    "--out", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Folder to write files to."
)
@common_by(takes=OUTPUT)
def command(options: Options, name: str | None, out: Path | None) -> int:
    """Print the JSON Schema NAME, or with --out write every one (or NAME alone) to DIR.

    NAME is manifest (the default), overlay, project, rules, plan, or a kind. Editors with yaml-language-server want it named in
    a file's first line:

    \b
      # yaml-language-server: $schema=../schemas/manifest.schema.json
    """
    known = schemas()
    if name is not None and name not in known:
        hint = near(name, known) or f"known are: {', '.join(known)}"
        raise UsageError(f"there is no schema {name!r}", code="unknown-schema", hint=hint)
    if out is None:
        click.echo(schema_text(known[name or "manifest"]), nl=False)
        return 0
    chosen = known if name is None else {name: known[name]}
    written = [_write(out / f"{key}{SUFFIX}", schema_text(schema)) for key, schema in chosen.items()]
    if options.format == "json":
        print_json({"format_version": "1.0", "written": written})
    elif not options.quiet:
        for path in written:
            click.echo(f"Wrote {path}")
    return 0


def _write(path: Path, text: str) -> str:
    """Write a file whole or not at all, also if the process is killed."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_text(text, encoding="utf-8", newline="\n")
            unfinished.replace(path)
            written(str(path))
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise ReconcilerError(f"can't write {path}: {error.strerror}", code="schema-not-written") from None
    return str(path)

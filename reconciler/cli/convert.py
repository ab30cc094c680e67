"""``convert``: what people have for other tools, as manifests on stdout or in files, and an account of it on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import orjson

from reconciler.cli import complete
from reconciler.cli.convert_check import Play, plays
from reconciler.convert.conversion import Converted
from reconciler.convert.report import report_json, report_lines
from reconciler.convert.table import FORMATS, convert
from reconciler.diff.visible import visible, visible_json
from reconciler.errors import ReconcilerError, Refused, UsageError
from reconciler.model.address import NAME_RULE, is_name
from reconciler.render.manifest import authored, manifest

TENANT = "default"


class _Wanted(NamedTuple):
    from_: str
    files: tuple[str, ...]
    out: Path | None
    tenant: str
    form: str
    strict: bool
    sources: tuple[str, ...]
    check: bool
    quiet: bool


@click.command("convert")
@click.argument("from_", metavar="FROM", type=click.Choice([*FORMATS]))
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=complete.files)
@click.option(
    "--out", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Folder for one manifest per FILE."
)
@click.option("--tenant", metavar="T", default=TENANT, show_default=True, help="The tenant of the manifests.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Form of the report.")
@click.option("--strict", is_flag=True, help="Exit 2 where a field that limits something could not be carried over.")
@click.option(
    "--source",
    "sources",
    metavar="NAME=TYPE",
    multiple=True,
    help="toolbox: the type of a source that a file only names, e.g. my-db=postgres.",
)
@click.option("--check", is_flag=True, help="Play examples through what is written, and say what would be sent.")
@click.option("-q", "--quiet", is_flag=True, help="Of the report only the figures.")
def command(**given: Any) -> int:
    """Turn other tools' configuration into manifests.

    FROM is litellm (a proxy's config), toolbox (MCP Toolbox for Databases, SQL tools of IBM i), openapi (2.0, 3.0 or 3.1),
    mcp (`mcpServers` of desktop clients, or files of the Docker registry), agentgateway, deck (Kong's AI plugins) or
    envoy (Envoy AI Gateway). Manifests go to stdout, or with --out into files that do not exist yet; what was carried
    over, and what was left out and why, goes to stderr, what changes what may be done first. Nothing is fetched, and no
    secret is carried over: references stand for them.
    """
    wanted = _Wanted(**given)
    if not is_name(wanted.tenant):
        raise UsageError("--tenant wants the name of a tenant", hint=f"it has {NAME_RULE}")
    converted = convert(wanted.from_, wanted.files, wanted.tenant, _sources(wanted.sources))
    texts = ["\n".join(_document(one, wanted.from_, wanted.tenant)) + "\n" for one in converted]
    written = _write(wanted.out, converted, texts) if wanted.out is not None else None
    if written is None:
        click.echo("---\n".join(text for text, one in zip(texts, converted, strict=True) if one.specs), nl=False)
    played = [[*plays(one)] if wanted.check else [] for one in converted]
    is_refused = any(one.is_own and one.is_refused for some in played for one in some)
    code = 2 if wanted.strict and (is_refused or any(one.is_restricted for one in converted)) else 0
    if wanted.form == "json":
        report = report_json(converted)
        for entry, some in zip(report["inputs"], played, strict=True):
            entry |= {"played": [_played(one) for one in some]} if wanted.check else {}
        click.echo(visible_json(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode()), err=True)
        return code
    for number, one in enumerate(converted):
        for line in list(report_lines(one))[: 1 if wanted.quiet else None]:
            click.echo(line, err=True)
        for play in played[number]:
            word = "refused" if play.is_refused else "would be sent" if play.is_own else "would be sent (made up)"
            click.echo(f"  {word}: {play.address.kind}/{play.address.name} {visible(play.sent)}", err=True)
        if written and written[number] and not wanted.quiet:
            click.echo(f"  written to {visible(str(written[number]))}", err=True)
    return code


def _played(play: Play) -> dict[str, Any]:
    return {"address": str(play.address), "sent": visible(play.sent), "refused": play.is_refused, "own": play.is_own}


def _sources(texts: tuple[str, ...]) -> dict[str, str]:
    """Return the types of sources by name. Raises UsageError."""
    found = [text.partition("=") for text in texts]
    if any(not name or not type for name, _sign, type in found):
        raise UsageError("--source wants NAME=TYPE", hint="for example my-db=postgres")
    return {name: type for name, _sign, type in found}


def _document(one: Converted, format: str, tenant: str) -> Iterator[str]:
    yield f"# Converted from {format}: {visible(one.source.name)}"
    if tenant == TENANT:
        yield f"# The tenant is `{TENANT}` because none was named: --tenant names another."
    comments = {address: _comment(one, path) for address, path in one.origins.items()}
    yield from manifest(tenant, {address: authored(spec) for address, spec in one.specs.items()}, comments)


def _comment(one: Converted, path: tuple[str | int, ...]) -> str:
    place = one.place(path)
    return visible(f"{place.file}:{place.line}")


def _write(out: Path, converted: list[Converted], texts: list[str]) -> list[Path | None]:
    """One file per input that gave something; all of them are new, or nothing is written."""
    taken: set[str] = set()
    targets: list[Path | None] = []
    for one in converted:
        stem = Path(one.source.path).stem if one.source.path != "<stdin>" else "stdin"
        name, number = f"{stem}.yaml", 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}.yaml"
        taken.add(name)
        targets.append(out / name if one.specs else None)
    there = [path for path in targets if path is not None and path.is_symlink() | path.exists()]
    if there:
        hint = "name another folder with --out, or move them away"
        raise Refused(*(f"{path} exists, and nothing is overwritten" for path in there), code="file-exists", hint=hint)
    made: list[Path] = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, text in zip(targets, texts, strict=True):
            if path is not None:
                with path.open("x", encoding="utf-8", newline="\n") as file:
                    made.append(path)
                    file.write(text)
    except OSError as error:
        for path in made:
            path.unlink(missing_ok=True)
        raise ReconcilerError(f"can't write to {out}: {error.strerror}", code="file-not-written") from None
    return targets

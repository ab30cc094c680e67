"""How much of each file is carried over, measured, as the tables of docs/convert-coverage.md (``python -m tests.convert.table``).

The samples are here. The real files belong to other projects and are not part of this one: ``RECONCILER_FOREIGN`` names the
folder that holds them, one folder per origin. Without it, their table stays as it is.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from reconciler.convert.conversion import Converted
from reconciler.convert.table import FORMATS, convert
from tests.conftest import ROOT
from tests.convert.samples import DATA, SAMPLES

PAGE = ROOT / "docs" / "convert-coverage.md"
FOLDERS = {"litellm": "litellm", "toolbox": "toolbox", "openapi": "openapi", "mcp-registry": "mcp"}
HEAD = "| file | resources | fields | carried over | references | left out | most of what is left out |\n|---|---|---|---|---|---|---|"


def foreign() -> Path | None:
    folder = os.environ.get("RECONCILER_FOREIGN")
    return Path(folder) if folder else None


def real_files(folder: Path) -> list[tuple[str, Path]]:
    """The format and the file of each."""
    return [(format, path) for name, format in FOLDERS.items() for path in sorted((folder / name).iterdir())]


def row(name: str, found: Iterable[Converted]) -> str:
    kinds: Counter[str] = Counter()
    fates: Counter[str | None] = Counter()
    reasons: Counter[str] = Counter()
    for one in found:
        kinds.update(address.kind for address in one.specs)
        fates.update(one.ledger.fates.values())
        for finding in one.ledger.findings:
            reasons[finding.message] += finding.fields if finding.what == "left" else 0
    made = ", ".join(f"{count} {kind}{'s'[: count > 1]}" for kind, count in sorted(kinds.items()))
    total = sum(fates.values())
    most = min(reasons.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
    why = f"{most[0]} ({most[1]})".replace("|", "\\|") if most[1] else ""
    share = f"{fates['carried']} ({round(100 * fates['carried'] / total)}%)"
    return f"| {name} | {made} | {total} | {share} | {fates['reference']} | {fates['left']} | {why} |"


def samples_table() -> str:
    rows = [row(f"`{name}`", convert(format, (str(DATA / name),), "acme")) for name, format in SAMPLES.items()]
    return "\n".join([HEAD, *rows])


def real_table(folder: Path) -> str:
    """One row per file, and one for all of the registry's."""
    rows = []
    for format, path in real_files(folder):
        if path.parent.name != "mcp-registry":
            rows.append(row(f"`{path.parent.name}/{path.name}`", convert(format, (str(path),), "acme")))
    registry = [
        one for format, path in real_files(folder) if format == "mcp" for one in convert(format, (str(path),), "acme")
    ]
    rows.append(row(f"`mcp-registry/`, {len(registry)} files", registry))
    return "\n".join([HEAD, *rows])


def restrictions_table() -> str:
    """One row per field that limits something, by format."""
    rows = ["| format | field | what it limits | here |", "|---|---|---|---|"]
    rows += [
        f"| {name} | `{one.path}` | {one.limits} | {one.becomes or 'switched off, or left out'} |"
        for name, format in FORMATS.items()
        for one in format.restrictions
    ]
    return "\n".join(rows)


def fresh() -> str:
    """The page with its tables as they are now."""
    text = _put(PAGE.read_text(), "samples", samples_table())
    text = _put(text, "restrictions", restrictions_table())
    folder = foreign()
    return _put(text, "real", real_table(folder)) if folder else text


def _put(text: str, name: str, table: str) -> str:
    return re.sub(
        rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda found: f"{found[1]}{table}\n{found[2]}", text, flags=re.DOTALL
    )


if __name__ == "__main__":
    PAGE.write_text(fresh(), encoding="utf-8")

"""What was converted, turned into words for people and JSON for programs; no value of an input is ever in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from reconciler.convert.conversion import Converted
from reconciler.convert.ledger import FATES, ConvertFinding
from reconciler.diff.visible import visible
from reconciler.errors import Path, Place
from reconciler.model.body import dotted

FORMAT_VERSION = "1.0"
MOST_LINES = 12
_TITLES = {
    "restriction": "changes what may be done",
    "reference": "to be set",
    "left": "left out",
    "note": "worth knowing",
}


def report_lines(converted: Converted) -> Iterator[str]:
    """Yield a line with the figures, then every finding; those with the same words stand together, with all their lines."""
    counts = Counter(converted.ledger.fates.values())
    kinds = Counter(address.kind for address in converted.specs)
    made = ", ".join(f"{number} {kind}{'s'[: number > 1]}" for kind, number in sorted(kinds.items())) or "nothing"
    yield (
        f"{visible(converted.source.name)}: {made}; of {len(converted.ledger.fates)} fields {counts['carried']} carried over, "
        f"{counts['reference']} as references, {counts['left']} left out"
    )
    for what, title in _TITLES.items():
        alike: dict[str, list[ConvertFinding]] = {}
        for finding in converted.ledger.findings:
            if finding.what == what:
                alike.setdefault(finding.message, []).append(finding)
        for message, findings in alike.items():
            yield f"  {title}: {visible(message)}"
            yield from (f"    {line}" for line in _places(converted, findings))


def _places(converted: Converted, findings: list[ConvertFinding]) -> Iterator[str]:
    if len(findings) <= MOST_LINES or any(finding.detail for finding in findings):
        for finding in findings:
            fields = f" ({finding.fields} fields)" if finding.fields > 1 else ""
            detail = f": {visible(finding.detail)}" if finding.detail else ""
            yield f"{visible(str(_place(converted, finding.path)))} {visible(_path(finding.path))}{fields}{detail}"
        return
    for key in dict.fromkeys(map(_last, findings)):
        here = [finding for finding in findings if _last(finding) == key]
        lines = sorted({_place(converted, finding.path).line or 0 for finding in here})
        total = sum(finding.fields for finding in here)
        yield f"{visible(key)}, {len(here)} times ({total} fields), lines {', '.join(map(str, lines))}"


def _last(finding: ConvertFinding) -> str:
    return str(finding.path[-1]) if len(finding.path) > 1 else "a document"


def report_json(converted: list[Converted]) -> dict[str, Any]:
    """One object per input: its figures and every finding with its place."""
    return {"format_version": FORMAT_VERSION, "inputs": [_input(one) for one in converted]}


def _input(converted: Converted) -> dict[str, Any]:
    return {
        "file": visible(converted.source.name),
        "resources": [str(address) for address in sorted(converted.specs)],
        "fields": {"total": len(converted.ledger.fates), **{fate: converted.ledger.count(fate) for fate in FATES}},
        "findings": [
            {
                "what": finding.what,
                "file": visible(place.file),
                "line": place.line,
                "path": visible(_path(finding.path)),
                "fields": finding.fields,
                "message": visible(finding.message),
                "detail": visible(finding.detail),
            }
            for finding in converted.ledger.findings
            for place in [_place(converted, finding.path)]
        ],
    }


def _place(converted: Converted, path: Path) -> Place:
    return converted.place(path)


def _path(path: Path) -> str:
    """Of several documents all begin alike: the line tells them apart."""
    return dotted(path[1:]) or "(all of it)"

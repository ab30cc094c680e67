"""One input converted in this process: its resources by kind and name, and what the report says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.convert.conversion import Converted
from reconciler.convert.report import report_lines
from reconciler.convert.table import convert
from reconciler.render.manifest import authored


class Made(NamedTuple):
    """The bodies as manifests say them, by kind and name, and the account."""

    bodies: dict[str, dict[str, Any]]
    converted: Converted

    @property
    def restrictions(self) -> list[str]:
        return [finding.message for finding in self.converted.ledger.findings if finding.what == "restriction"]

    @property
    def report(self) -> str:
        return "\n".join(report_lines(self.converted))

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {name.partition("/")[2]: body for name, body in self.bodies.items() if name.startswith(f"{kind}/")}


def made(format: str, value: Any, folder: Path, name: str = "in.json", **more: Any) -> Made:
    """Convert a value, written as JSON, or a text as it is."""
    file = folder / name
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    (one,) = convert(format, (str(file),), "acme", **more)
    return Made({f"{a.kind}/{a.name}": authored(spec) for a, spec in one.specs.items()}, one)

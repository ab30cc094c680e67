"""The names under which a pipeline keeps a plan, a comment and an issue, and finds them again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

LABEL = "reconciler-drift"
FILE = "reconciler.plan"
"""The name of a plan inside of what is kept."""
_WORD = re.compile(r"[A-Za-z0-9-]+\Z")


class PlanName(NamedTuple):
    """Project and environment, and the digest of the configuration that is planned."""

    prefix: str
    digest: str

    def __str__(self) -> str:
        return f"{self.prefix}-{self.digest}"


def plan_name(file: Path) -> PlanName:
    """Return the name of a saved plan. Raises ValueError for a file that is none."""
    found = json.loads(file.read_bytes())
    parts = (found["project"], found["environment"] or "default", found["configuration"])
    if not all(isinstance(part, str) and _WORD.match(part) for part in parts):
        raise ValueError(f"{file} is no plan")
    return PlanName(f"reconciler-plan-{parts[0]}-{parts[1]}", parts[2])


def marker(key: str) -> str:
    """Return the first line of a comment or an issue, by which it is found again; ``key`` is any text."""
    return f"<!-- reconciler: {re.sub(r'[^A-Za-z0-9 ._/-]|--+', '', key)} -->"

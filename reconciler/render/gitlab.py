"""Documents turned into GitLab's reports: Code Quality for problems, Terraform for plans.

Source of the forms: GitLab's "Code Quality report format" (a part of Code Climate's) and "artifacts:reports:terraform".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.render.fingerprint import fingerprints
from reconciler.render.sentence import one_line, sentence

_SEVERITIES = {"error": "major", "warning": "minor", "info": "info"}
NOWHERE = "."  # a path is wanted, also for what has no place


def problems_gitlab(document: Mapping[str, Any]) -> str:
    """``problems.errors_json`` as a JSON list with one finding for each problem; an empty list if there is none."""
    errors = document["errors"]
    found = [
        {
            "description": one_line(sentence(error)),
            "check_name": error["code"],
            "fingerprint": fingerprint,
            "severity": _SEVERITIES[error.get("severity", "error")],
            "location": {"path": one_line(error["file"] or NOWHERE), "lines": {"begin": error["line"] or 1}},
        }
        for error, fingerprint in zip(errors, fingerprints(errors), strict=True)
    ]
    return json.dumps(found, indent=2)


def plan_gitlab(document: Mapping[str, Any]) -> str:
    """Return a plan's document as three counts; a replacement counts as a creation and a deletion."""
    counts = document["summary"]
    return json.dumps({"create": counts["add"], "update": counts["change"], "delete": counts["destroy"]})

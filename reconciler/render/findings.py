"""Findings of lint turned into text, and into the document that the formats of problems read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.lint.find import SEVERITIES, Finding
from reconciler.model.amount import amount
from reconciler.render.problems import FORMAT_VERSION, problem_json, problem_text
from reconciler.render.style import Style

NEVER = "never"
THRESHOLDS = (*SEVERITIES, NEVER)


def failing(threshold: str) -> tuple[str, ...]:
    """Return the severities at which a run fails."""
    return () if threshold == NEVER else SEVERITIES[: SEVERITIES.index(threshold) + 1]


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Count findings by severity."""
    found = Counter(finding.severity for finding in findings)
    return {severity: found[severity] for severity in SEVERITIES}


def findings_text(findings: Sequence[Finding], style: Style) -> Iterator[str]:
    """Render lint's findings as lines of text."""
    for finding in findings:
        yield problem_text(finding.problem, style, finding.severity)
        yield ""


def summary_text(findings: Sequence[Finding]) -> str:
    """Return the last line, e.g. ``3 findings: 1 error, 2 warnings.``."""
    if not findings:
        return "No findings."
    told = (amount(n, name, "info" if name == "info" else "") for name, n in counts(findings).items() if n)
    return f"{amount(len(findings), 'finding')}: {', '.join(told)}."


def findings_json(findings: Sequence[Finding], rules: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """``errors`` as ``render.problems`` writes them, with ``severity`` and ``rule``, and the rules that they are of."""
    names = {finding.rule for finding in findings}
    return {
        "format_version": FORMAT_VERSION,
        "errors": [
            {**problem_json(finding.problem), "severity": finding.severity, "rule": finding.rule}
            for finding in findings
        ],
        "rules": {name: dict(rules[name]) for name in sorted(names)},
    }

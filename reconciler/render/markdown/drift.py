"""The document of drift turned into Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.render.left_out import left_out_lines, no_drift
from reconciler.render.markdown.changes import finding_lines
from reconciler.render.markdown.marks import code, details, fenced, in_summary
from reconciler.render.markdown.plan import BUDGET, plan_markdown
from reconciler.render.plan_json import PlanJson


def drift_markdown(document: PlanJson) -> str:
    """Return findings with their fields, as many as fit; with ``pending`` the plan's Markdown after them."""
    where = code(document["project"]) + (f" in {code(document['environment'])}" if document["environment"] else "")
    findings = document["findings"]
    lines = [f"### Drift of {where}: {len(findings)} found", ""]
    if not findings:
        lines = [f"### Drift of {where}: none", "", f"{document['clean']} resources are as they were applied."]
        if document.get("left_out"):
            lines = [lines[0], "", no_drift(document, code)]
    sentences = left_out_lines(document, code)
    lines += [part for line in sentences for part in ((line, "") if findings else ("", line))]
    size = sum(map(len, lines))
    for shown, finding in enumerate(findings):
        block = list(_block(finding))
        size += sum(len(line) + 1 for line in block)
        if size > BUDGET - 400:
            lines.append(f"**{len(findings) - shown} more findings** did not fit here.")
            break
        lines += block
    text = "\n".join(lines).rstrip() + "\n"
    if "pending" in document:
        text += "\n" + plan_markdown(document["pending"], max(2000, BUDGET - len(text)))
    return text


def _block(finding: PlanJson) -> Iterator[str]:
    diff = finding_lines(finding)
    who = f"By {code(finding['by'])} at {code(finding['at'])}."
    body = [who, *(["", *fenced(diff, "diff")] if diff else [])]
    done = "has a forged record" if finding["finding"] == "forged" else f"was {finding['finding']} outside"
    yield from details(f"{in_summary(finding['address'])} {done}", body)
    yield ""

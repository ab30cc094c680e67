"""Decisions and the verdicts of access tests turned into text, JSON and JUnit's XML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from reconciler.access.decide import Decision
from reconciler.access.expected import Verdict
from reconciler.access.judge import Question
from reconciler.diff.visible import visible
from reconciler.model.approval import Approval
from reconciler.render.style import Style

NAME = "reconciler access test"


def verdicts_text(verdicts: Sequence[Verdict], style: Style) -> Iterator[str]:
    """Render the verdicts of access tests as lines of text."""
    for verdict in verdicts:
        if verdict.passed is None:
            yield f"{style.paint('skipped', 'yellow')} {verdict.case.name}: {visible(verdict.message)}"
        elif verdict.passed:
            yield f"{style.paint('ok    ', 'green')}{verdict.case.name}: {visible(verdict.message)}"
        else:
            yield f"{style.paint('FAILED', 'red')} {verdict.case.name} ({verdict.case.place}): {visible(verdict.message)}"
    skipped = _skipped(verdicts)
    yield ""
    yield f"{len(verdicts)} tests, {_failed(verdicts)} failed{f', {skipped} skipped' if skipped else ''}."


def _failed(verdicts: Sequence[Verdict]) -> int:
    return sum(verdict.passed is False for verdict in verdicts)


def _skipped(verdicts: Sequence[Verdict]) -> int:
    return sum(verdict.passed is None for verdict in verdicts)


def verdicts_json(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the verdicts of access tests as JSON."""
    return {
        "format_version": "1.0",
        "passed": not _failed(verdicts),
        "tests": [
            {
                "name": verdict.case.name,
                "tenant": verdict.case.tenant,
                "passed": verdict.passed,
                "skipped": verdict.passed is None,
                "message": verdict.message,
                "file": verdict.case.place.file,
                "line": verdict.case.place.line,
            }
            for verdict in verdicts
        ],
    }


def verdicts_junit(verdicts: Sequence[Verdict]) -> str:
    """One test case each, in the form that ``render/junit.py`` writes."""
    counts = {"tests": str(len(verdicts)), "failures": str(_failed(verdicts)), "errors": "0"}
    top = ElementTree.Element("testsuites", {"name": NAME, **counts})
    suite = ElementTree.SubElement(top, "testsuite", {"name": NAME, **counts, "skipped": str(_skipped(verdicts))})
    for verdict in verdicts:
        names = {"name": visible(verdict.case.name), "classname": f"{verdict.case.tenant}.access"}
        case = ElementTree.SubElement(suite, "testcase", names)
        message = visible(verdict.message)
        if verdict.passed is None:
            ElementTree.SubElement(case, "skipped", {"message": message})
        elif not verdict.passed:
            failure = ElementTree.SubElement(case, "failure", {"message": message, "type": "access-test"})
            failure.text = f"{verdict.case.place}: {message}"
    ElementTree.indent(top)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(top, encoding="unicode")}'


def decision_text(question: Question, decision: Decision, offline: bool, style: Style) -> Iterator[str]:
    """Render a decision and its reasons as lines of text."""
    word = style.paint("allowed", "green") if decision.allowed else style.paint("denied", "red")
    action = f" to {decision.action}" if decision.action else ""
    yield f"{question.caller} is {word}{action} {visible(question.target)}: {visible(decision.message)}."
    if decision.policy:
        yield f"  decided by:      {visible(decision.policy)}"
    if decision.allowed and decision.approval is not None:
        yield f"  runs:            {visible(decision.approval.words)}{_terms(decision.approval)}"
    if decision.chain:
        yield f"  goes through:    {', '.join(str(one.known.address) for one in decision.chain)}"
        yield f"  classification:  {decision.classification or 'none: fits every deny by classification, and no allow'}"
    if decision.allowed and decision.unproved:
        yield f"  needs claims:    {', '.join(map(visible, decision.unproved))}; without them, it is denied (see --claim)"
    if decision.drifted:
        changed = [str(one.known.address) for one in decision.chain if not one.known.settled]
        yield f"  drifted:         {', '.join(changed)}: not as it was applied last"
    if offline:
        yield "  not looked at:   freezes and suspensions, which are no part of files"


def _terms(approval: Approval) -> str:
    """Return the minutes of an approval, and whether it asks for a second person."""
    second = ", whom a token of an issuer proves" if approval.four_eyes else ""
    return f"{second} (within {approval.decide_minutes} minutes, and to be used within {approval.use_minutes} more)"


def decision_json(question: Question, decision: Decision, offline: bool) -> dict[str, Any]:
    """``status`` says whether freezes and suspensions were looked at."""
    status = "not-looked-at" if offline else "live"
    head = {"format_version": "1.0", "caller": question.caller, "target": question.target, "status": status}
    return {**head, **decision.facts()}

"""Decisions and the verdicts of access tests turned into text, JSON and JUnit's XML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from reconciler.access.decide import Decision
from reconciler.access.expected import Verdict
from reconciler.access.judge import Question
from reconciler.render.style import Style, safe

NAME = "reconciler access test"


def verdicts_text(verdicts: Sequence[Verdict], style: Style) -> Iterator[str]:
    for verdict in verdicts:
        if verdict.passed:
            yield f"{style.paint('ok    ', 'green')}{verdict.case.name}: {safe(verdict.message)}"
        else:
            yield f"{style.paint('FAILED', 'red')} {verdict.case.name} ({verdict.case.place}): {safe(verdict.message)}"
    failed = sum(not verdict.passed for verdict in verdicts)
    yield ""
    yield f"{len(verdicts)} tests, {failed} failed."


def verdicts_json(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "format_version": "1.0",
        "passed": all(verdict.passed for verdict in verdicts),
        "tests": [
            {
                "name": verdict.case.name,
                "tenant": verdict.case.tenant,
                "passed": verdict.passed,
                "message": verdict.message,
                "file": verdict.case.place.file,
                "line": verdict.case.place.line,
            }
            for verdict in verdicts
        ],
    }


def verdicts_junit(verdicts: Sequence[Verdict]) -> str:
    """One test case each, in the form that ``render/junit.py`` writes."""
    failed = sum(not verdict.passed for verdict in verdicts)
    counts = {"tests": str(len(verdicts)), "failures": str(failed), "errors": "0"}
    top = ElementTree.Element("testsuites", {"name": NAME, **counts})
    suite = ElementTree.SubElement(top, "testsuite", {"name": NAME, **counts, "skipped": "0"})
    for verdict in verdicts:
        names = {"name": safe(verdict.case.name), "classname": f"{verdict.case.tenant}.access"}
        case = ElementTree.SubElement(suite, "testcase", names)
        if not verdict.passed:
            message = safe(verdict.message)
            failure = ElementTree.SubElement(case, "failure", {"message": message, "type": "access-test"})
            failure.text = f"{verdict.case.place}: {message}"
    ElementTree.indent(top)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(top, encoding="unicode")}'


def decision_text(question: Question, decision: Decision, offline: bool, style: Style) -> Iterator[str]:
    word = style.paint("allowed", "green") if decision.allowed else style.paint("denied", "red")
    action = f" to {decision.action}" if decision.action else ""
    yield f"{question.caller} is {word}{action} {safe(question.target)}: {safe(decision.message)}."
    if decision.policy:
        yield f"  decided by:      {safe(decision.policy)}"
    if decision.chain:
        yield f"  goes through:    {', '.join(str(one.known.address) for one in decision.chain)}"
        yield f"  classification:  {decision.classification or 'none: fits every deny by classification, and no allow'}"
    if decision.allowed and decision.unproved:
        yield f"  needs claims:    {', '.join(map(safe, decision.unproved))}; without them, it is denied (see --claim)"
    if decision.drifted:
        changed = [str(one.known.address) for one in decision.chain if not one.known.settled]
        yield f"  drifted:         {', '.join(changed)}: not as it was applied last"
    if offline:
        yield "  not looked at:   freezes and suspensions, which are no part of files"


def decision_json(question: Question, decision: Decision, offline: bool) -> dict[str, Any]:
    """``status`` says whether freezes and suspensions were looked at."""
    status = "not-looked-at" if offline else "live"
    head = {"format_version": "1.0", "caller": question.caller, "target": question.target, "status": status}
    return {**head, **decision.facts()}

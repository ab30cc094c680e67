"""Findings and the comments beside them turned into the findings that remain, and those about the comments themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from reconciler.codes import RuleName
from reconciler.errors import Place, Problem
from reconciler.kinds.nearest import near
from reconciler.lint.comments import FORM, Allowance, allowances
from reconciler.lint.find import Finding
from reconciler.lint.read import COMMENT, OWN, UNUSED, Rules
from reconciler.load.draft import Draft
from reconciler.load.loaded import Loaded
from reconciler.load.source import Source
from reconciler.model.address import Address

Line = tuple[str, int]
HINTS = 200  # looking for a name that was probably meant takes its time, and a file may hold many comments


class JudgedComments(NamedTuple):
    """What remains of one configuration's findings, the comments of its files, and which of them were of use for what."""

    findings: list[Finding]
    comments: frozenset[Allowance]
    used: frozenset[tuple[Allowance, str]]


def judge(findings: Iterable[Finding], loaded: Loaded) -> JudgedComments:
    """Give the findings their places. What a document for many tenants says many times is told of the first."""
    comments = sorted({one for source in _looked_at(loaded) for one in allowances(source)})
    about: dict[tuple[str, int, str], Allowance] = {}
    for comment in comments:
        for rule in comment.rules if comment.reason else ():
            about[comment.file, comment.about, rule] = comment
    kept: dict[object, Finding] = {}
    used = set()
    for found in findings:
        address = Address.parse(found.problem.address or "")
        draft = loaded.drafts[address]
        finding = replace(found, problem=draft.locate(found.problem))
        lines = _lines(finding.problem.place, draft) if about else ()
        allowed = [about[*line, finding.rule] for line in lines if (*line, finding.rule) in about]
        used |= {(comment, finding.rule) for comment in allowed}
        if not allowed:
            same = finding.rule, finding.problem.place, finding.problem.path, address.kind, address.name
            kept.setdefault(same, finding)
    return JudgedComments([*kept.values()], frozenset(comments), frozenset(used))


def _looked_at(loaded: Loaded) -> Iterator[Source]:
    """Yield the files that the selected resources stand in, or all."""
    files = {file for address in loaded.selected or () for file in loaded.drafts[address].files}
    yield from (one for one in loaded.sources if loaded.selected is None or one.path in files)


def _lines(place: Place | None, draft: Draft) -> Iterator[Line]:
    """Yield the lines at which a comment is about a finding: its own, and those of its resource's name."""
    if place is not None and place.line is not None:
        yield place.file, place.line
    for layer in draft.layers:
        key = layer.source.positions(layer.index).key(layer.at)
        if key is not None:
            yield layer.source.name, key.line


def about_comments(judged: Iterable[JudgedComments], rules: Rules, whole: bool) -> Iterator[Finding]:
    """Comments that say nothing useful; only a run over everything (``whole``) can tell that one is not needed."""
    runs = [*judged]
    used = {pair for run in runs for pair in run.used}
    hints: dict[str, str | None] = {}
    for comment in sorted({one for run in runs for one in run.comments}):
        if not comment.rules:
            yield from _told(COMMENT, comment, rules, "this comment is not understood", expected=FORM)
            continue
        if not comment.reason:
            yield from _told(
                COMMENT, comment, rules, "this comment allows nothing, since it gives no reason", expected=FORM
            )
            continue
        for rule in comment.rules:
            if rule not in rules.known:
                if rule not in hints and len(hints) < HINTS:
                    hints[rule] = near(rule, rules.known)
                hint = hints.get(rule) or "`--rules` and `lint.rules` name files of rules"
                yield from _told(COMMENT, comment, rules, f"there is no rule `{rule}`", hint)
            elif whole and rule in rules.on and (comment, rule) not in used:
                yield from _told(UNUSED, comment, rules, f"`{rule}` has nothing to complain of here")


def _told(
    name: str, comment: Allowance, rules: Rules, message: str, hint: str | None = None, expected: str | None = None
) -> Iterator[Finding]:
    if name in rules.comments:
        place = Place(comment.file, comment.line, comment.column)
        problem = Problem(RuleName(name), message, place=place, hint=hint or OWN[name][2], expected=expected)
        yield Finding(problem, rules.comments[name])

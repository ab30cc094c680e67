"""``read_rules``: the rules that come with the program and those of files, as a project wants them; or every problem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path as FilePath
from typing import NamedTuple

from msgspec.structs import replace
from pydantic import ValidationError

from reconciler.errors import Place, Problem, Problems
from reconciler.kinds.nearest import near
from reconciler.kinds.schema import shown
from reconciler.kinds.wording import problem_of
from reconciler.lint.rule import Rule, RuleFile
from reconciler.load.discover import contained
from reconciler.load.project import Project
from reconciler.load.secret_values import secret_problems
from reconciler.load.selectors import NOTHING
from reconciler.load.source import Source, parse_source, read_source

OWN_FILE = "rules.yaml"
COMMENT, UNUSED = "lint-comment", "lint-unused"
SELECTS = NOTHING
OWN: Mapping[str, tuple[str, str, str]] = {
    COMMENT: (
        "warning",
        "A comment begins like one that allows something, and does not: it is misspelt, or names no rule or no reason.",
        "Write `# lint: allow RULE because REASON`.",
    ),
    UNUSED: ("warning", "A comment allows what no rule complains of.", "Take the comment out."),
    SELECTS: ("warning", "A selector selects nothing.", "Correct it, or say `optional: true` if that is meant."),
}
"""Rules about the comments themselves, and about selectors: severity, what they find, what to do next."""


class Rules(NamedTuple):
    """What is judged: the rules that are on; those about comments, with their severities; the names of all."""

    on: Mapping[str, Rule]
    comments: Mapping[str, str]
    known: frozenset[str]


def read_rules(project: Project, given: Sequence[str], problems: Problems) -> Rules:
    """Return the package's rules, the project's and those of the files that were given; problems are added."""
    listed = [project.root / name for name in project.settings.linting.rules]
    sources = [_own_source()]
    for path in [*contained(listed, project.root, problems), *map(FilePath, given)]:
        source = read_source(path, problems)
        sources += [source] if source is not None else []
    rules: dict[str, Rule] = {}
    places: dict[str, Place] = {}
    for source in sources:
        problems.found += (one for document in source.documents for one in secret_problems(source, document))
        for name, rule in _rules_of(source, problems).items():
            place = source.place(0, ("rules", name), on_key=True)
            if name in rules or name in OWN:
                problems.add(_duplicate(name, place, places.get(name)))
                continue
            rules[name], places[name] = rule, place
            if source is not sources[0]:
                problems.found += _of_no_environment(name, rule, source, project)
    known = frozenset(rules) | OWN.keys()
    _check_names(project, known, problems)
    settings = project.settings.linting
    on = {
        name: rule.model_copy(update={"severity": settings.severity.get(name, rule.severity)})
        for name, rule in rules.items()
        if name not in settings.disable and (rule.enabled or name in settings.severity)
    }
    comments = {name: settings.severity.get(name, own[0]) for name, own in OWN.items() if name not in settings.disable}
    return Rules(on, comments, known)


def own_rules() -> Mapping[str, Rule]:
    """Return the rules that come with the program."""
    problems = Problems()
    rules = _rules_of(_own_source(), problems)
    problems.raise_if_any()
    return rules


def _own_source() -> Source:
    return parse_source(
        f"reconciler/lint/{OWN_FILE}", files("reconciler.lint").joinpath(OWN_FILE).read_bytes(), Problems()
    )


def _rules_of(source: Source, problems: Problems) -> Mapping[str, Rule]:
    """Return the rules of one file; none where it can't be used."""
    if len(source.documents) != 1:
        if not problems.found:
            what = "is empty" if not source.documents else "holds several documents"
            hint = "write one document with `version: 1` and `rules`"
            problems.add(Problem("rule-file", f"{source.name} {what}", place=Place(source.name, 1, 1), hint=hint))
        return {}
    raw = source.documents[0].value
    try:
        return RuleFile.model_validate(raw).rules
    except ValidationError as error:
        found = []
        for detail in error.errors(include_input=False, include_url=False):
            problem = replace(problem_of(RuleFile, raw, detail, ""), address=None)
            found.append(source.locate(problem, 0, problem.path, lambda path: shown((RuleFile,), raw, path)))
        problems.found += map(source.masking, found)
        return {}


def _of_no_environment(name: str, rule: Rule, source: Source, project: Project) -> Iterator[Problem]:
    """Report a rule for an environment that the project does not have: it judges nothing."""
    known = project.settings.environments
    for number, text in enumerate(rule.environments if known else ()):
        if not {*text} & {*"*?["} and text not in known:
            message = f"the rule `{name}` is for {text}, and there is no such environment"
            problem = Problem("unknown-environment", message, hint=near(text, known))
            yield source.locate(problem, 0, ("rules", name, "environments", number), lambda _path: False)


def _duplicate(name: str, place: Place, first: Place | None) -> Problem:
    hint = "give it another name; `lint.disable` of reconciler.yaml switches off one that is there"
    related = (("the first one", first),) if first else ()
    return Problem("duplicate-rule", f"there is a rule `{name}` already", place=place, hint=hint, related=related)


def _check_names(project: Project, known: Iterable[str], problems: Problems) -> None:
    settings = project.settings.linting
    for part, names in (("disable", settings.disable), ("severity", settings.severity)):
        for name in names:
            if name not in known:
                problem = Problem("unknown-rule", f"there is no rule `{name}`", on_key=True, hint=near(name, known))
                problems.add(project.problem(problem, ("lint", part, name)))


def described(rules: Rules) -> dict[str, dict[str, str]]:
    """Return what reports say of each rule: its message as it is written, what to do next, its severity."""
    found = {
        name: {"message": rule.message, "help": rule.help, "severity": rule.severity} for name, rule in rules.on.items()
    }
    for name, severity in rules.comments.items():
        _, message, help_text = OWN[name]
        found[name] = {"message": message, "help": help_text, "severity": severity}
    return found

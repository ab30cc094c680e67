"""``lint``: rules over a valid configuration, or over a saved plan, told as findings; never touches a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import click
from msgspec.structs import replace

from reconciler.cli.options import MANIFESTS, common_with, print_json, print_lines, refuse_narrowing
from reconciler.cli.pipeline import in_repository
from reconciler.cli.selecting import Selected, require_known, selections
from reconciler.cli.signing import known_keys
from reconciler.cli.validate import Checked, check, tell_problems
from reconciler.cli.workspace import Options, Workspace
from reconciler.codes import RuleName
from reconciler.errors import ConfigurationInvalid, Place, Problems, UsageError
from reconciler.lint.allow import JudgedComments, about_comments, judge
from reconciler.lint.find import SEVERITIES, Finding, findings_in, findings_of
from reconciler.lint.read import SELECTS, Rules, described, read_rules
from reconciler.load.loaded import Loaded
from reconciler.model.address import Address
from reconciler.plan.convert import to_document
from reconciler.plan.file import read_plan
from reconciler.render.findings import THRESHOLDS, counts, failing, findings_json, findings_text, summary_text
from reconciler.render.formats import PROBLEM_FORMATS

NAME = "reconciler lint"


@click.command("lint")
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option(
    "--plan",
    "plan_file",
    metavar="PLANFILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Judge a plan that `plan --out` saved, in place of the configuration.",
)
@click.option("--rules", "rule_files", metavar="FILE", multiple=True, help="More rules; may be repeated.")
@click.option(
    "--fail-severity",
    type=click.Choice(THRESHOLDS),
    default="error",
    show_default=True,
    help="Exit 1 if there is a finding of this severity or a graver one.",
)
@common_with(*PROBLEM_FORMATS, takes=MANIFESTS)
def command(
    options: Options, paths: tuple[str, ...], plan_file: Path | None, rule_files: tuple[str, ...], fail_severity: str
) -> int:
    """Find what is valid and still not wanted.

    Rules come with the program, from `lint.rules` of reconciler.yaml, and from --rules (docs/lint.md). A comment
    `# lint: allow RULE because REASON` beside or above a line takes a finding back. An invalid configuration is told as
    `validate` does.

    PATH is a file, a folder or `-`; without PATH the project around the working directory. Where the project has
    environments, all of them are judged unless --env names one.
    """
    if plan_file is not None and paths:
        raise UsageError("--plan stands alone: a plan says by itself what it is about", hint="leave out PATH")
    if plan_file is not None:
        refuse_narrowing(options, when=" --plan")
    try:
        workspace = Workspace(options, paths)
    except ConfigurationInvalid as error:
        return tell_problems(
            options.format, Checked(dict.fromkeys(error.problems), {}, dict.fromkeys(error.files)), NAME
        )
    problems = Problems()
    rules = read_rules(workspace.project, rule_files, problems)
    if plan_file is not None:
        found = LintFound(Checked(dict.fromkeys(problems.found), {}, {}), [], {})
        if not problems.found:
            found.findings.extend(_of_plan(plan_file, workspace, rules))
    else:
        found = _of_configuration(workspace, paths, rules)
        found.checked.problems.update(dict.fromkeys(problems.found))
    if found.checked.problems:
        return tell_problems(options.format, found.checked, NAME)
    found.findings.sort(key=_order)
    _tell(found, rules, options, fail_severity)
    return int(any(finding.severity in failing(fail_severity) for finding in found.findings))


SelectedIn: TypeAlias = dict[str | None, list[Selected]]
"""By environment: how many resources each selector selects."""
SHOWN = 20


class LintFound(NamedTuple):
    """Findings of one environment, and what its selectors select."""

    checked: Checked
    findings: list[Finding]
    selected: SelectedIn


def _of_plan(file: Path, workspace: Workspace, rules: Rules) -> list[Finding]:
    keys = known_keys(workspace.project)
    return [*findings_of(rules.on, to_document(read_plan(file, keys.by_id if keys else None)))]


def _of_configuration(workspace: Workspace, paths: tuple[str, ...], rules: Rules) -> LintFound:
    runs: dict[str | None, JudgedComments] = {}
    known: set[Address] = set()
    selected: SelectedIn = {}
    options = workspace.options

    def visit(environment: str | None, loaded: Loaded) -> None:
        known.update(loaded.configuration.resources)
        selected[environment] = [*selections(loaded.configuration)]
        found = findings_in(rules.on, loaded.configuration)
        wanted = (one for one in found if _is_wanted(one, loaded, options))
        runs[environment] = judge(wanted, loaded)

    checked = check(workspace, paths, visit, thoroughly=True)
    require_known(options, known, "is not in the configuration")
    # who looks at a part can't say that a comment is not needed elsewhere
    whole = not (paths or options.tenants or options.targets or (options.env and len(workspace.environments) > 1))
    doubts = [
        Finding(replace(one, code=RuleName(SELECTS)), rules.comments[SELECTS])
        for one in checked.warnings
        if one.code == SELECTS and SELECTS in rules.comments and whole
    ]
    own = about_comments(runs.values(), rules, whole)
    findings = [*_in_environments(runs), *own, *doubts]
    return LintFound(checked, findings, selected)


def _is_wanted(finding: Finding, loaded: Loaded, options: Options) -> bool:
    address = Address.parse(finding.problem.address or "")
    return (
        (loaded.selected is None or address in loaded.selected)
        and (not options.tenants or address.tenant in options.tenants)
        and (not options.targets or str(address) in options.targets)
    )


def _in_environments(runs: dict[str | None, JudgedComments]) -> Iterable[Finding]:
    """Return findings with their environments; one of all environments names none."""
    where: dict[Finding, list[str]] = {}
    for environment, run in runs.items():
        for finding in run.findings:
            where.setdefault(finding, []).append(str(environment))
    for finding, names in where.items():
        if len(names) < len(runs):
            message = f"{finding.problem.message} (in {', '.join(names)})"
            finding = replace(finding, problem=replace(finding.problem, message=message))
        yield finding


def _order(finding: Finding) -> tuple[str, int, int, int, str, str]:
    place = finding.problem.place or Place("")
    grave = SEVERITIES.index(finding.severity)
    return place.file, place.line or 0, place.column or 0, grave, finding.rule, finding.problem.message


def _selected(found: LintFound, verbose: bool) -> Iterator[str]:
    """How many resources each selector selects; where environments agree, once."""
    lines: dict[str, list[str | None]] = {}
    for environment, selected in found.selected.items():
        for one in selected:
            lines.setdefault(str(one), []).append(environment)
    told = [
        line if len(where) == len(found.selected) else f"{line} (in {', '.join(map(str, where))})"
        for line, where in lines.items()
    ]
    yield from told if verbose else told[:SHOWN]
    if len(told) > SHOWN and not verbose:
        yield f"... and {len(told) - SHOWN} more selectors; -v lists them"


def _tell(found: LintFound, rules: Rules, options: Options, fail_severity: str) -> None:
    findings = found.findings
    if options.format == "text":
        if not options.quiet:
            print_lines(findings_text(findings, options.style), options.style)
        click.echo(summary_text(findings))
        if not options.quiet:
            print_lines([f"  {line}" for line in _selected(found, options.verbose)], options.style)
        return
    document = findings_json(findings, described(rules))
    document |= {"files": [*found.checked.files], "command": NAME, "failing": [*failing(fail_severity)]}
    if options.format in PROBLEM_FORMATS:
        click.echo(PROBLEM_FORMATS[options.format](in_repository(document)))
        return
    told = {"valid": True, "failed": any(one["severity"] in document["failing"] for one in document["errors"])}
    print_json(
        {
            "format_version": document["format_version"],
            **told,
            "fail_severity": fail_severity,
            "summary": counts(findings),
            "findings": document["errors"],
            "rules": document["rules"],
            "selectors": [
                {"environment": environment, "selector": one.selector, **{f"{noun}s": n for n, noun in one.counts}}
                for environment, selected in found.selected.items()
                for one in selected
            ],
        }
    )

"""``lint``: rules over a valid configuration, or over a saved plan, told as findings; never touches a database."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from msgspec.structs import replace

from reconciler.cli.options import common_with, print_json, print_lines
from reconciler.cli.pipeline import in_repository
from reconciler.cli.signing import known_keys
from reconciler.cli.validate import Checked, check, tell_problems
from reconciler.cli.workspace import Options, Workspace
from reconciler.errors import ConfigurationInvalid, Place, Problems, UsageError
from reconciler.lint.allow import Judged, about_comments, judge
from reconciler.lint.find import SEVERITIES, Finding, findings_in, findings_of
from reconciler.lint.read import Rules, described, read_rules
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
@common_with(*PROBLEM_FORMATS)
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
    try:
        workspace = Workspace(options, paths)
    except ConfigurationInvalid as error:
        return tell_problems(
            options.format, Checked(dict.fromkeys(error.problems), {}, dict.fromkeys(error.files)), NAME
        )
    problems = Problems()
    rules = read_rules(workspace.project, rule_files, problems)
    if plan_file is not None:
        checked, findings = Checked(dict.fromkeys(problems.found), {}, {}), []
        if not problems.found:
            findings = _of_plan(plan_file, workspace, rules)
    else:
        checked, findings = _of_configuration(workspace, paths, rules)
        checked.problems.update(dict.fromkeys(problems.found))
    if checked.problems:
        return tell_problems(options.format, checked, NAME)
    _tell(sorted(findings, key=_order), rules, checked, options, fail_severity)
    return int(any(finding.severity in failing(fail_severity) for finding in findings))


def _of_plan(file: Path, workspace: Workspace, rules: Rules) -> list[Finding]:
    keys = known_keys(workspace.project)
    return [*findings_of(rules.on, to_document(read_plan(file, keys.by_id if keys else None)))]


def _of_configuration(workspace: Workspace, paths: tuple[str, ...], rules: Rules) -> tuple[Checked, list[Finding]]:
    runs: dict[str | None, Judged] = {}
    options = workspace.options

    def visit(environment: str | None, loaded: Loaded) -> None:
        found = findings_in(rules.on, loaded.configuration)
        wanted = (one for one in found if _is_wanted(one, loaded, options))
        runs[environment] = judge(wanted, loaded)

    checked = check(workspace, paths, visit, thoroughly=True)
    # who looks at a part can't say that a comment is not needed elsewhere
    whole = not (paths or options.tenants or options.targets or (options.env and len(workspace.environments) > 1))
    return checked, [*_in_environments(runs), *about_comments(runs.values(), rules, whole)]


def _is_wanted(finding: Finding, loaded: Loaded, options: Options) -> bool:
    address = Address.parse(finding.problem.address or "")
    return (
        (loaded.selected is None or address in loaded.selected)
        and (not options.tenants or address.tenant in options.tenants)
        and (not options.targets or str(address) in options.targets)
    )


def _in_environments(runs: dict[str | None, Judged]) -> Iterable[Finding]:
    """What is found everywhere needs no name; what is found in some environments says in which."""
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


def _tell(findings: list[Finding], rules: Rules, checked: Checked, options: Options, fail_severity: str) -> None:
    if options.format == "text":
        if not options.quiet:
            print_lines(findings_text(findings, options.style), options.style)
        click.echo(summary_text(findings))
        return
    document = findings_json(findings, described(rules))
    document |= {"files": [*checked.files], "command": NAME, "failing": [*failing(fail_severity)]}
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
        }
    )

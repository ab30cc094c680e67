"""The shipped template for GitLab, end to end: what was reviewed is what is applied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import BASE as BASE_LINES
from tests.conftest import Db, reconciler
from tests.pipeline.fake_api import FakeApi, serving
from tests.pipeline.gitlab_runner import TEMPLATE, GitLabRunner, Ran
from tests.pipeline.repository import Repository, git, git_server

SETTINGS = 'version: 1\nproject: shop\ninclude: ["*.yaml"]\nenvironments: {prod: {}}\nguards: {max_deletes: 0}\n'
BASE = BASE_LINES.lstrip()
RAISED = BASE.replace("cost_usd: 100", "cost_usd: 200")
MORE = "limits:\n  hour: {target: tenant, per: hour, cost_usd: 5}\n"
CHECKS = [f"reconciler-{name}" for name in ("validate", "lint", "fmt", "access-test")]


class Pipeline:
    """A project, its API, a runner and the database that is live."""

    def __init__(self, folder: Path, repository: Repository, api: FakeApi) -> None:
        self.repository, self.api, self.file = repository, api, folder / "live.db"
        url = f"sqlite:///{self.file}"
        settings = {"RECONCILER_DATABASE": url, "RECONCILER_DATABASE_READER": url, "RECONCILER_API_TOKEN": "the-token"}
        self.runner = GitLabRunner(folder, repository, api, {**settings, "RECONCILER_ENVIRONMENT": "prod"})
        repository.commit({"reconciler.yaml": SETTINGS, "acme.yaml": BASE})

    def request(self, files: dict[str, str], iid: int = 1) -> tuple[str, dict[str, str]]:
        """Push a branch; return the ref and the variables of its merge request's pipeline."""
        sha = self.repository.commit(files, f"change{iid}")
        source = {"CI_MERGE_REQUEST_IID": str(iid), "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1"}
        return f"change{iid}", self.runner.predefined("merge_request_event", sha, **source)

    def planned(self, files: dict[str, str], iid: int = 1) -> Ran:
        return self.runner.run("reconciler-plan", *self.request(files, iid))

    def merged(self, iid: int = 1) -> dict[str, str]:
        """Merge a request; return the variables of the pipeline of the push."""
        sha = self.repository.merge(f"change{iid}")
        merged = {"iid": iid, "state": "merged", "merge_commit_sha": sha, "squash_commit_sha": None, "sha": None}
        self.api.pulls.append(merged)
        return self.runner.predefined("push", sha, CI_COMMIT_BRANCH="main")

    def seed(self) -> None:
        """Make live what is on ``main``, without a pipeline."""
        url = f"sqlite:///{self.file}"
        reconciler("apply", "--env", "prod", "--database", url, "--auto-approve", cwd=self.repository.work).ok()

    def applied(self, variables: dict[str, str]) -> Ran:
        return self.runner.run("reconciler-apply", "main", variables)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return Db(f"sqlite:///{self.file}").sql(statement)


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    with git_server(tmp_path) as repository, serving("gitlab") as api:
        yield Pipeline(tmp_path, repository, api)


def test_what_was_reviewed_is_applied_after_the_merge(pipeline: Pipeline) -> None:
    ref, variables = pipeline.request({})
    assert pipeline.runner.jobs(variables) == [*CHECKS, "reconciler-plan"]
    for name in CHECKS:
        done = pipeline.runner.run(name, ref, variables)
        assert done.code == 0, done.log
    planned = pipeline.runner.run("reconciler-plan", ref, variables)
    assert planned.code == 0, planned.log
    assert json.loads((planned.place / "plan.json").read_text()) == {"create": 3, "update": 0, "delete": 0}
    [note] = pipeline.api.comments
    assert "3 to add" in note["body"]
    pipeline.planned({"acme.yaml": RAISED})
    assert [one["id"] for one in pipeline.api.comments] == [1]

    pushed = pipeline.merged()
    assert pipeline.runner.jobs(pushed) == [*CHECKS, "reconciler-apply", "reconciler-apply-by-hand"]
    applied = pipeline.applied(pushed)
    assert applied.code == 0, applied.log
    assert "Found a reviewed plan" in applied.log
    assert pipeline.sql("SELECT git_commit FROM generations") == [(git(pipeline.repository.work, "rev-parse", "main"),)]


def test_a_plan_that_moved_is_shown_and_stopped(pipeline: Pipeline) -> None:
    pipeline.seed()
    pipeline.planned({"acme.yaml": BASE.partition("limits:")[0]}, 2)
    pipeline.repository.commit({"more.yaml": BASE.partition("connectors:")[0] + MORE}, "main")
    pushed = pipeline.merged(2)
    stopped = pipeline.applied(pushed)
    assert stopped.code == 4
    assert "acme/limit/hour would be changed, and the reviewed plan leaves it alone" in stopped.log

    def by_hand(**given: str) -> Ran:
        return pipeline.runner.run("reconciler-apply-by-hand", "main", pushed, **given)

    assert by_hand(ALLOW_UNREVIEWED="true").code == 6, "a guard holds"
    assert by_hand(ALLOW_UNREVIEWED="true", ALLOW_DELETES="1").code == 0
    assert pipeline.sql("SELECT count(*) FROM resources") == [(3,)]


def test_a_fork_is_checked_and_keeps_nothing(pipeline: Pipeline) -> None:
    ref, variables = pipeline.request({})
    for project in ("1", "2"):  # the fork's own pipeline, and one that a member starts in the project
        fork = {**variables, "CI_PROJECT_ID": project, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2"}
        jobs = pipeline.runner.jobs(fork)
        assert jobs == [*CHECKS, *(["reconciler-plan"] if project == "2" else [])]
    assert pipeline.runner.run("reconciler-validate", ref, fork).code == 0
    assert pipeline.api.packages == {}
    pipeline.merged()
    stopped = pipeline.applied(
        pipeline.runner.predefined("push", git(pipeline.repository.work, "rev-parse", "main"), CI_COMMIT_BRANCH="main")
    )
    assert stopped.code == 6
    assert "[not-reviewed]" in stopped.log


def test_a_refused_plan_is_a_comment_too(pipeline: Pipeline) -> None:
    failed = pipeline.planned({"acme.yaml": BASE.replace("connector: warehouse", "connector: nowhere")})
    assert failed.code == 3
    assert "the configuration is invalid" in pipeline.api.comments[0]["body"]
    assert pipeline.api.packages == {}


def test_one_issue_stays_open_while_there_is_drift(pipeline: Pipeline) -> None:
    pipeline.seed()
    variables = pipeline.runner.predefined("schedule", "0" * 40, CI_COMMIT_BRANCH="main")
    assert pipeline.runner.jobs(variables) == ["reconciler-drift"]

    def look() -> list[str]:
        done = pipeline.runner.run("reconciler-drift", "main", variables)
        assert done.code == 0, done.log
        return [one["state"] for one in pipeline.api.issues]

    assert look() == []
    pipeline.sql("UPDATE resources SET spec = json_set(spec, '$.cost_usd', '150') WHERE kind = 'limit'")
    assert look() == ["open"]
    assert look() == ["open"]
    pipeline.sql("UPDATE resources SET spec = json_set(spec, '$.cost_usd', '100') WHERE kind = 'limit'")
    assert look() == ["closed"]


def test_only_the_job_by_hand_takes_allowances() -> None:
    for name, job in TEMPLATE.items():
        if name != "reconciler-apply-by-hand" and "script" in job:
            assert "ALLOW_" not in str(job), name
    assert TEMPLATE["reconciler-apply-by-hand"]["rules"][0]["when"] == "manual"


def test_the_image_has_git() -> None:
    """Debian's full image of Python is built on buildpack-deps, which has git; the slim one is not."""
    assert TEMPLATE[".reconciler"]["image"] == "python:3.12"

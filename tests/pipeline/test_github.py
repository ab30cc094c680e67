"""The shipped workflows and the action, end to end: what was reviewed is what is applied."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import orjson
import pytest

from tests.conftest import BASE as BASE_LINES
from tests.conftest import Db, reconciler
from tests.pipeline.fake_api import FakeApi, serving
from tests.pipeline.github_runner import GitHubRunner, Ran
from tests.pipeline.repository import Repository, git, git_server

SETTINGS = """version: 1
project: shop
include: ["*.yaml"]
environments:
  prod: {}
"""
CHECKED = """version: 1
tenant: acme
callers:
  bot:
    auth: {api_key: {max_age_days: 30}}
access_tests:
  bot-sees: {caller: bot, tools: []}
"""
BASE = BASE_LINES.lstrip()
MORE = "version: 1\ntenant: globex\nremoved: [{from: limit/never-there, destroy: false}]\n"
RAISED = BASE.replace("cost_usd: 100", "cost_usd: 200")


class Pipeline:
    """A repository, its API, a runner and the database that is live."""

    def __init__(self, folder: Path, repository: Repository, api: FakeApi) -> None:
        self.repository, self.api = repository, api
        self.file = folder / "live.db"
        url = f"sqlite:///{self.file}"
        secrets = {"RECONCILER_DATABASE": url, "RECONCILER_DATABASE_READER": url}
        self.runner = GitHubRunner(folder, repository, api, secrets)
        repository.commit({"reconciler.yaml": SETTINGS, "acme.yaml": BASE})

    def opened(self, files: dict[str, str], number: int = 1, fork: bool = False, only: str = "") -> dict[str, Ran]:
        """Push a branch, open or update its pull request, and run the workflow."""
        self.repository.commit(files, f"change{number}")
        return self.runner.run("workflow.yml", self.runner.pull_request(f"change{number}", number, fork), only)

    def planned(self, files: dict[str, str], number: int = 1) -> Ran:
        """Do the same with the job ``plan`` alone."""
        return self.opened(files, number, only="plan")["plan"]

    def applied(self) -> None:
        """Make live what is on ``main``, without a pipeline."""
        url = f"sqlite:///{self.file}"
        reconciler("apply", "--env", "prod", "--database", url, "--auto-approve", cwd=self.repository.work).ok()

    def merged(self, number: int = 1) -> Ran:
        """Merge a pull request, and run the workflow of the push."""
        head = self.head(f"change{number}")
        sha = self.repository.merge(f"change{number}")
        pull = {"merged_at": "2026-01-01T00:00:00Z", "merge_commit_sha": sha, "head": {"sha": head}}
        self.api.pulls.append(pull)
        return self.runner.run("workflow.yml", self.runner.event("push", sha, "refs/heads/main"), "apply")["apply"]

    def by_hand(self, **inputs: Any) -> Ran:
        sha = self.head("main")
        event = self.runner.event("workflow_dispatch", sha, "refs/heads/main")
        return self.runner.run("workflow.yml", event, **inputs)["apply-by-hand"]

    def drift(self) -> Ran:
        event = self.runner.event("schedule", self.head("main"), "refs/heads/main")
        return self.runner.run("drift.yml", event)["drift"]

    def head(self, branch: str) -> str:
        return git(self.repository.work, "rev-parse", branch)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return Db(f"sqlite:///{self.file}").sql(statement)

    def cost(self) -> str:
        return str(self.sql("SELECT json_extract(spec, '$.cost_usd') FROM resources WHERE kind = 'limit'")[0][0])


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    with git_server(tmp_path) as repository, serving("github") as api:
        yield Pipeline(tmp_path, repository, api)


def test_what_was_reviewed_is_applied_after_the_merge(pipeline: Pipeline) -> None:
    jobs = pipeline.opened({"checked.yaml": CHECKED})
    assert {name: ran.code for name, ran in jobs.items()} == {
        **{f"check {mode}": 0 for mode in ("validate", "lint", "fmt", "access-test")},
        "plan": 0,
    }
    [comment] = pipeline.api.comments
    assert comment["body"].startswith("<!-- reconciler: plan . prod -->\n<!-- reconciler plan shop prod -->")
    assert "4 to add" in comment["body"]
    [artifact] = pipeline.api.artifacts
    assert artifact["name"].startswith("reconciler-plan-shop-prod-")

    applied = pipeline.merged()
    assert applied.code == 0, applied.log
    assert "Found a reviewed plan" in applied.log
    assert "Apply complete! Resources: 4 added" in applied.summary
    assert pipeline.sql("SELECT git_commit FROM generations") == [(pipeline.head("main"),)]

    pipeline.planned({"acme.yaml": RAISED}, 2)
    pipeline.planned({"acme.yaml": RAISED.replace("200", "300")}, 2)
    assert len(pipeline.api.comments) == 2, "one for each pull request"
    assert "0 to add, 1 to change" in pipeline.api.comments[1]["body"]
    assert pipeline.merged(2).code == 0
    assert pipeline.cost() == "300"


def test_a_plan_that_moved_is_shown_and_stopped(pipeline: Pipeline) -> None:
    pipeline.applied()
    pipeline.planned({"acme.yaml": RAISED}, 2)
    pipeline.sql("UPDATE resources SET spec = json_set(spec, '$.cost_usd', '150') WHERE kind = 'limit'")
    stopped = pipeline.merged(2)
    assert stopped.codes["Apply"] == 4
    assert "would be changed in another way than the reviewed plan shows" in stopped.log
    assert '"100" -> "200"' in stopped.summary
    assert '"150" -> "200"' in stopped.summary
    assert pipeline.cost() == "150"
    assert pipeline.by_hand().codes["Apply"] == 4
    applied = pipeline.by_hand(**{"allow-unreviewed": True, "overwrite-outside": True})
    assert applied.code == 0, applied.log
    assert pipeline.cost() == "200"


def test_the_same_changes_after_another_merge_were_reviewed(pipeline: Pipeline) -> None:
    """The configuration is another one by then, and what is done is the same."""
    pipeline.applied()
    pipeline.planned({"acme.yaml": RAISED}, 2)
    pipeline.repository.commit({"more.yaml": MORE}, "main")
    applied = pipeline.merged(2)
    assert applied.code == 0, applied.log
    assert pipeline.cost() == "200"


def test_an_artifact_of_a_fork_is_never_applied(pipeline: Pipeline) -> None:
    pipeline.planned({})
    [artifact] = pipeline.api.artifacts
    pipeline.api.artifacts.clear()
    pipeline.api.add_artifact(artifact["name"], b"{}", "0" * 40, head_repository=2)
    stopped = pipeline.merged()
    assert stopped.codes["Apply"] == 6
    assert "[not-reviewed]" in stopped.log
    assert not any(request.endswith("/zip") for request in pipeline.api.requests)


def test_a_fork_is_checked_and_not_planned(pipeline: Pipeline) -> None:
    jobs = pipeline.opened({"acme.yaml": BASE.replace("connector: warehouse", "connector: nowhere")}, fork=True)
    assert sorted(jobs) == [f"check {mode}" for mode in ("access-test", "fmt", "lint", "validate")]
    assert jobs["check validate"].code == 3
    assert "::error file=acme.yaml" in jobs["check validate"].log
    assert pipeline.api.requests == []


@pytest.mark.parametrize("allowance", ["allow-deletes: 3", "allow-empty: true", "allow-risks: deletes"])
def test_a_file_of_the_repository_allows_nothing(pipeline: Pipeline, tmp_path: Path, allowance: str) -> None:
    name, _, value = allowance.partition(": ")
    ran = Ran()
    (tmp_path / "job/work").mkdir(parents=True)
    (tmp_path / "job/temp").mkdir()
    event = pipeline.runner.event("push", "0" * 40, "refs/heads/main")
    contexts = {"github": event, "secrets": {}}
    pipeline.runner.action(tmp_path / "job", contexts, {"mode": "apply", name: value}, ran)
    assert ran.codes == {"Check inputs": 64}


def test_a_guard_is_lifted_by_hand_only(pipeline: Pipeline) -> None:
    pipeline.repository.commit({"reconciler.yaml": f"{SETTINGS}guards: {{max_deletes: 0}}\n"})
    pipeline.applied()
    pipeline.planned({"acme.yaml": BASE.partition("limits:")[0]}, 2)
    assert "An apply would be refused" in pipeline.api.comments[0]["body"]
    stopped = pipeline.merged(2)
    assert stopped.codes["Apply"] == 6
    assert "--allow-deletes 1" in stopped.log
    assert pipeline.by_hand(**{"allow-deletes": "1"}).code == 0
    assert pipeline.sql("SELECT count(*) FROM resources WHERE kind = 'limit'") == [(0,)]


def test_an_invalid_plan_replaces_the_comment(pipeline: Pipeline) -> None:
    pipeline.planned({})
    failed = pipeline.planned({"acme.yaml": BASE.replace("connector: warehouse", "connector: nowhere")})
    assert failed.codes["Plan"] == 3
    [comment] = pipeline.api.comments
    assert "the configuration is invalid" in comment["body"]
    assert len(pipeline.api.artifacts) == 1, "nothing was kept"


def test_one_issue_stays_open_while_there_is_drift(pipeline: Pipeline) -> None:
    pipeline.applied()
    assert pipeline.drift().code == 0
    assert pipeline.api.issues == []
    pipeline.sql("UPDATE resources SET spec = json_set(spec, '$.cost_usd', '150') WHERE kind = 'limit'")
    pipeline.drift()
    assert pipeline.drift().code == 0
    [issue] = pipeline.api.issues
    assert (issue["state"], issue["labels"]) == ("open", ["reconciler-drift"])
    assert "acme/limit/month" in issue["body"]
    pipeline.sql("UPDATE resources SET spec = json_set(spec, '$.cost_usd', '100') WHERE kind = 'limit'")
    pipeline.drift()
    assert [one["state"] for one in pipeline.api.issues] == ["closed"]


def test_drift_that_can_not_be_found_closes_nothing(pipeline: Pipeline) -> None:
    assert pipeline.drift().codes["Drift"] == 1
    assert pipeline.api.requests == []


def test_with_a_key_only_signed_plans_count(pipeline: Pipeline, tmp_path: Path) -> None:
    """The key is a secret's text; the runner writes it where only this job reads it."""
    key = tmp_path / "key"
    reconciler("secrets", "keys", "create", "--out", str(key), cwd=tmp_path).ok()
    pipeline.runner.secrets = {**pipeline.runner.secrets, "RECONCILER_KEY": key.read_text()}
    pipeline.planned({})
    [kept] = pipeline.api.archives.values()
    with ZipFile(io.BytesIO(kept)) as archive:
        plan = orjson.loads(archive.read("reconciler.plan"))
    assert plan["hmac"]["value"]
    assert key.read_text().strip() not in pipeline.planned({}).log
    unsigned = orjson.dumps({name: value for name, value in plan.items() if name != "hmac"})
    pipeline.api.add_artifact(pipeline.api.artifacts[0]["name"], unsigned, "0" * 40)
    stopped = pipeline.merged()
    assert stopped.codes["Apply"] == 8
    assert "[plan-unsigned]" in stopped.log
    pipeline.api.artifacts.pop()
    event = pipeline.runner.event("push", pipeline.head("main"), "refs/heads/main")
    assert pipeline.runner.run("workflow.yml", event, "apply")["apply"].code == 0

"""Steps of a pipeline against the APIs of both forges: whose plans and comments are taken, and who sees the token."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from reconciler.forge.__main__ import forge_of, main
from reconciler.forge.client import ForgeError
from reconciler.forge.names import PlanName, marker, plan_name
from tests.pipeline.fake_api import PERSON, FakeApi, serving

NAME = PlanName("reconciler-plan-shop-prod", "d1")


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with serving("github") as found:
        yield found


@pytest.fixture
def environment(api: FakeApi, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "event").write_text(json.dumps({"pull_request": {"number": 3}}))
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "o/shop",
        "GITHUB_REPOSITORY_ID": "1",
        "GITHUB_API_URL": api.url,
        "GITHUB_SHA": "a" * 40,
        "GITHUB_EVENT_PATH": str(tmp_path / "event"),
        "GH_TOKEN": "the-token",
    }


def test_the_newest_plan_of_the_configuration_is_found(api: FakeApi, environment: dict[str, str]) -> None:
    api.add_artifact(str(NAME), b"old", "b" * 40)
    api.add_artifact(str(NAME), b"new", "b" * 40)
    api.add_artifact("reconciler-plan-shop-prod-d2", b"other", "b" * 40)
    assert forge_of(environment).find(NAME) == b"new"
    assert api.violations == []


def test_a_plan_of_a_fork_is_not_taken(api: FakeApi, environment: dict[str, str]) -> None:
    api.add_artifact(str(NAME), b"theirs", "b" * 40, head_repository=2)
    assert forge_of(environment).find(NAME) is None


def test_a_plan_that_has_expired_is_not_taken(api: FakeApi, environment: dict[str, str]) -> None:
    api.add_artifact(str(NAME), b"gone", "b" * 40)
    api.artifacts[0]["expired"] = True
    assert forge_of(environment).find(NAME) is None


def test_else_the_plan_of_the_merged_request_is_found(api: FakeApi, environment: dict[str, str]) -> None:
    api.add_artifact("reconciler-plan-shop-prod-d2", b"reviewed", "b" * 40, run=5)
    api.add_artifact("reconciler-plan-shop-dev-d2", b"of dev", "b" * 40, run=5)
    assert forge_of(environment).find(NAME) is None
    pull = {"merged_at": None, "merge_commit_sha": "a" * 40, "head": {"sha": "b" * 40}}
    api.pulls.append(pull)
    assert forge_of(environment).find(NAME) is None, "it is open"
    pull["merged_at"] = "2026-01-01T00:00:00Z"
    assert forge_of(environment).find(NAME) == b"reviewed"


@pytest.mark.parametrize("member", ["../reconciler.plan", "other", ""])
def test_an_archive_holds_the_plan_alone(api: FakeApi, environment: dict[str, str], member: str) -> None:
    api.add_artifact(str(NAME), b"plan", "b" * 40)
    packed = io.BytesIO()
    with ZipFile(packed, "w") as archive:
        archive.writestr("reconciler.plan", "plan")
        if member:
            archive.writestr(member, "x")
    api.archives[1] = packed.getvalue() if member else b"no archive"
    with pytest.raises(ForgeError):
        forge_of(environment).find(NAME)


def test_a_comment_of_somebody_else_stays(api: FakeApi, environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_text("### Plan\n")
    entry = {"id": 1, "user": PERSON["github"], "body": f"{marker('plan . prod')}\nmine", "on": 3, "state": "open"}
    api.comments.append(entry)
    for _ in range(2):
        assert main(["comment", "plan . prod", str(tmp_path / "plan.md")], environment) == 0
    assert [one["body"] for one in api.comments] == [entry["body"], "<!-- reconciler: plan . prod -->\n### Plan\n"]
    assert main(["comment", "plan . prod", str(tmp_path / "missing")], environment) == 0
    assert "see the log of the job" in api.comments[1]["body"]


def test_two_open_issues_become_one(api: FakeApi, environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "drift.md").write_text("drift")
    main(["open-issue", ". prod", str(tmp_path / "drift.md")], environment)
    api.issues.append({**api.issues[0], "id": 2, "number": 2})
    main(["open-issue", ". prod", str(tmp_path / "drift.md")], environment)
    assert [one["state"] for one in api.issues] == ["open", "closed"]


def test_a_wrong_token_is_an_error(environment: dict[str, str]) -> None:
    with pytest.raises(ForgeError, match="401"):
        forge_of({**environment, "GH_TOKEN": "another"}).find(NAME)


def test_a_passing_fault_is_tried_again(
    api: FakeApi, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    answer, answers = api.answer, [(503, {}), (503, {})]
    monkeypatch.setattr(api, "answer", lambda *given: answers.pop() if answers else answer(*given))
    assert forge_of(environment).find(NAME) is None


def test_gitlab_keeps_no_plan_of_a_fork() -> None:
    with serving("gitlab") as api:
        own = {
            "GITLAB_CI": "true",
            "CI_PROJECT_ID": "1",
            "CI_API_V4_URL": api.url,
            "CI_JOB_TOKEN": "the-job-token",
            "CI_COMMIT_SHA": "a" * 40,
            "CI_MERGE_REQUEST_IID": "3",
        }
        with pytest.raises(ForgeError):
            forge_of({**own, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2"}).keep(NAME, b"theirs")
        assert api.packages == {}
        assert forge_of(own).find(NAME) is None
        forge_of({**own, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1"}).keep(NAME, b"ours")
        assert forge_of(own).find(NAME) == b"ours"


@pytest.mark.parametrize("given", [{}, {"GITHUB_ACTIONS": "true"}, {"GITLAB_CI": "true"}])
def test_outside_of_a_pipeline_it_is_an_error(given: dict[str, str]) -> None:
    with pytest.raises(ForgeError):
        forge_of(given)


def test_a_file_that_is_no_plan_has_no_name(tmp_path: Path) -> None:
    file = tmp_path / "plan"
    file.write_text(json.dumps({"project": "shop", "environment": "../x", "configuration": "d1"}))
    with pytest.raises(ValueError, match="is no plan"):
        plan_name(file)


def test_a_marker_ends_no_comment_of_html() -> None:
    assert marker("a --> <b> -- c") == "<!-- reconciler: a  b  c -->"

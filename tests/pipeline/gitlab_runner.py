"""Runs jobs of the shipped template as GitLab's runner does: rules, variables by their precedence, scripts in one shell."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT, command_environment
from tests.pipeline.fake_api import FakeApi
from tests.pipeline.repository import WHO, Repository, path_with, tools

TEMPLATE = yaml.safe_load((ROOT / "integrations/gitlab/reconciler.yml").read_text())
_RULE = re.compile(r'\$(\w+) == (?:"([^"]*)"|\$(\w+))\Z')
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


class Ran:
    """A finished job."""

    def __init__(self, code: int, log: str, place: Path) -> None:
        self.code, self.log, self.place = code, log, place


class GitLabRunner:
    """A runner for one project; ``settings`` are the project's CI/CD variables."""

    def __init__(self, folder: Path, repository: Repository, api: FakeApi, settings: Mapping[str, str]) -> None:
        self.folder, self.repository, self.api, self.settings = folder, repository, api, settings
        self._path = path_with(tools(folder / "tools"))
        self._numbers = count(1)

    def jobs(self, predefined: Mapping[str, str]) -> list[str]:
        """Return the jobs that a pipeline has, in their order."""
        names = [name for name, one in TEMPLATE.items() if name[0] != "." and "script" in one]
        return [name for name in names if self._rule(_extended(name), predefined) is not None]

    def run(self, name: str, ref: str, predefined: Mapping[str, str], **given: str) -> Ran:
        """Run one job; ``given`` are the variables that somebody who starts a manual job types in."""
        job, place = _extended(name), self.folder / f"job{next(self._numbers)}"
        rule = self._rule(job, predefined)
        assert rule is not None
        assert rule.get("when") == "manual" or not given
        predefined = {**predefined, "CI_PROJECT_DIR": str(place / "work"), "RECONCILER_VENV": str(place / "venv")}
        settings = {} if predefined["CI_PROJECT_ID"] != "1" else self.settings  # a fork is a project of its own
        layers = [predefined, TEMPLATE["variables"], job.get("variables", {}), settings, given]
        variables = {key: value for layer in layers for key, value in layer.items()}
        variables["RECONCILER_VENV"] = str(place / "venv")
        variables = {key: _expanded(value, variables) for key, value in variables.items()}
        self.repository.checkout(place / "work", ref, variables.get("GIT_DEPTH") == "0")
        script = "\n".join([*job.get("before_script", []), *job["script"]])
        shell = "bash" if int(place.name.removeprefix("job")) % 2 else "sh"  # whichever an image has
        options = ["-eo", "pipefail"] if shell == "bash" else ["-e"]
        own = {**WHO, "PATH": self._path, "HOME": str(place), "CI": "true", "GITLAB_CI": "true", **variables}
        own["GIT_CONFIG_GLOBAL"] = str(place / "gitconfig")
        done = subprocess.run(
            [shell, *options, "-c", script],
            cwd=place / "work",
            env=command_environment(own),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        assert "Traceback" not in done.stdout, done.stdout
        return Ran(done.returncode, done.stdout, place / "work")

    def predefined(self, source: str, sha: str, **more: str) -> dict[str, str]:
        """Return the variables that GitLab sets itself."""
        return {
            "CI_PIPELINE_SOURCE": source,
            "CI_PROJECT_ID": "1",
            "CI_DEFAULT_BRANCH": "main",
            "CI_COMMIT_SHA": sha,
            "CI_API_V4_URL": self.api.url,
            "CI_JOB_TOKEN": "the-job-token",
            **more,
        }

    def _rule(self, job: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any] | None:
        return next((rule for rule in job["rules"] if _holds(rule["if"], variables)), None)


def _holds(rule: str, variables: Mapping[str, str]) -> bool:
    def one(text: str) -> bool:
        found = _RULE.match(text.strip())
        assert found, text
        wanted = variables.get(found[3], "") if found[3] else found[2]
        return variables.get(found[1], "") == wanted

    return all(map(one, rule.split("&&")))


def _expanded(value: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: variables.get(found[1] or found[2], ""), str(value))


def _extended(name: str) -> dict[str, Any]:
    """Return a job with what it extends: maps are merged, all else is replaced."""
    job = dict(TEMPLATE[name])
    if "extends" in job:
        base = _extended(job.pop("extends"))
        both = base.get("variables", {}) | job.get("variables", {})
        job = {**base, **job, **({"variables": both} if both else {})}
    return job

"""Runs jobs of a workflow as GitHub's runner does: checkouts, the shipped action's steps in bash, artifacts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from itertools import count, product
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT, command_environment
from tests.pipeline.expressions import evaluated, filled
from tests.pipeline.fake_api import FakeApi
from tests.pipeline.repository import WHO, Repository, git, path_with, tools

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())


class Ran:
    """A finished job: the exit code and the output of each step by its name."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.log = ""
        self.summary = ""

    @property
    def code(self) -> int:
        return next((code for code in self.codes.values() if code), 0)


class GitHubRunner:
    """A runner for one repository and one API."""

    def __init__(self, folder: Path, repository: Repository, api: FakeApi, secrets: Mapping[str, str]) -> None:
        self.folder, self.repository, self.api, self.secrets = folder, repository, api, secrets
        self._path = path_with(tools(folder / "tools"))
        self._numbers = count(1)

    def event(self, name: str, sha: str, ref: str, **event: Any) -> dict[str, Any]:
        """Return the context ``github`` of a run."""
        return {
            "event_name": name,
            "event": {"repository": {"default_branch": "main"}, **event},
            "repository": "o/shop",
            "token": "the-token",
            "sha": sha,
            "ref": ref,
            "ref_name": ref.rpartition("/")[2],
            "action_path": str(ROOT),
        }

    def pull_request(self, branch: str, number: int, fork: bool = False) -> dict[str, Any]:
        """Return the event of a pull request, of which the server has the merge."""
        head = git(self.repository.work, "rev-parse", branch)
        ref = f"refs/pull/{number}/merge"
        sha = self.repository.merge_ref(branch, ref)
        full_name = "eve/shop" if fork else "o/shop"
        pull = {"number": number, "head": {"sha": head, "repo": {"full_name": full_name, "id": 2 if fork else 1}}}
        return self.event("pull_request", sha, ref, pull_request=pull)

    def run(self, workflow: str, github: Mapping[str, Any], only: str = "", **inputs: Any) -> dict[str, Ran]:
        """Run the jobs of a shipped workflow whose condition holds, by name; ``only`` one of them, where that is enough."""
        jobs = yaml.safe_load((ROOT / "integrations/github" / workflow).read_text())["jobs"]
        secrets = {} if _is_fork(github) else self.secrets
        done = {}
        for name, job in jobs.items():
            contexts = {"github": github, "inputs": inputs, "secrets": secrets}
            if not evaluated(str(job.get("if", "'yes'")), contexts) or only not in {"", name}:
                continue
            for matrix in _matrices(job):
                title = " ".join([name, *map(str, matrix.values())])
                done[title] = self._job(job, {**contexts, "matrix": matrix})
        return done

    def _job(self, job: Mapping[str, Any], contexts: dict[str, Any]) -> Ran:
        place = self.folder / f"job{next(self._numbers)}"
        (place / "temp").mkdir(parents=True)
        ran = Ran()
        for step in job["steps"]:
            given = {key: filled(value, contexts) for key, value in step.get("with", {}).items()}
            if step["uses"].startswith("actions/checkout@"):
                ref = given.get("ref") or contexts["github"]["ref"]
                self.repository.checkout(place / "work", ref, given.get("fetch-depth") == "0")
            else:
                assert step["uses"] == "OWNER/reconciler@VERSION"
                self.action(place, contexts, given, ran)
        return ran

    def action(self, place: Path, contexts: Mapping[str, Any], given: Mapping[str, str], ran: Ran) -> None:
        """Run the steps of the shipped action whose condition holds, until one fails."""
        assert given.keys() <= ACTION["inputs"].keys()
        inputs = {name: filled(one.get("default", ""), contexts) for name, one in ACTION["inputs"].items()}
        steps: dict[str, Any] = {}
        inside = {**contexts, "inputs": {**inputs, **given}, "runner": {"temp": str(place / "temp")}, "steps": steps}
        inside.pop("secrets")  # an action sees inputs only
        for step in ACTION["runs"]["steps"]:
            condition = str(step.get("if", "'yes'")).removeprefix("${{").removesuffix("}}")
            wanted = "cancelled()" in condition or "always()" in condition or not ran.code
            if not wanted or not evaluated(condition, inside):
                continue
            if "uses" in step:
                self._upload({key: filled(value, inside) for key, value in step["with"].items()}, contexts["github"])
                continue
            outputs, code = self._step(place, step, inside, ran)
            ran.codes[step["name"]] = code
            if "id" in step:
                steps[step["id"]] = {"outputs": outputs}

    def _step(
        self, place: Path, step: Mapping[str, Any], contexts: Mapping[str, Any], ran: Ran
    ) -> tuple[dict[str, str], int]:
        github, files = contexts["github"], {name: place / "temp" / f".{name}" for name in ("output", "summary")}
        for file in files.values():
            file.write_text("")
        event = place / "event.json"
        event.write_text(json.dumps(github["event"]))
        own = {
            **WHO,
            "PATH": self._path,
            "CI": "true",
            "HOME": str(place),
            "RUNNER_TEMP": str(place / "temp"),
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": github["repository"],
            "GITHUB_REPOSITORY_ID": "1",
            "GITHUB_SHA": github["sha"],
            "GITHUB_API_URL": self.api.url,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
            **{name: filled(value, contexts) for name, value in step.get("env", {}).items()},
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=place / "work" / filled(step.get("working-directory", "."), contexts),
            env=command_environment(own),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        ran.log += done.stdout
        ran.summary += files["summary"].read_text()
        assert "Traceback" not in done.stdout, done.stdout
        return dict(_outputs(files["output"].read_text())), done.returncode

    def _upload(self, given: Mapping[str, str], github: Mapping[str, Any]) -> None:
        head = github["event"]["pull_request"]["head"]
        plan = Path(given["path"]).read_bytes()
        self.api.add_artifact(given["name"], plan, head["sha"], head["repo"]["id"], run=next(self._numbers))


def _is_fork(github: Mapping[str, Any]) -> bool:
    pull = github["event"].get("pull_request")
    return pull is not None and pull["head"]["repo"]["full_name"] != github["repository"]


def _matrices(job: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    axes = job.get("strategy", {}).get("matrix", {})
    yield from (dict(zip(axes, values, strict=True)) for values in product(*axes.values()))


def _outputs(text: str) -> Iterator[tuple[str, str]]:
    """Parse a step's outputs: ``name=value``, or ``name<<END`` and lines up to END."""
    lines = iter(text.splitlines())
    for line in lines:
        name, heredoc, end = line.partition("<<")
        if heredoc and "=" not in name:
            yield name, "\n".join(iter(lambda: next(lines), end))
        else:
            name, _, value = line.partition("=")
            yield name, value

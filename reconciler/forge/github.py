"""GitHub's REST API (version 2022-11-28) and the variables of its runners."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from reconciler.forge.client import MAX_BYTES, Client, ForgeError
from reconciler.forge.names import FILE, LABEL, PlanName


class GitHub:
    """One repository."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._repository = f"/repos/{environment['GITHUB_REPOSITORY']}"
        headers = {
            "Authorization": f"Bearer {environment['GH_TOKEN']}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "config-reconciler",
        }
        self._api = Client(environment.get("GITHUB_API_URL", "https://api.github.com"), headers)

    def comment(self, mark: str, text: str) -> None:
        """Write the one comment with this first line to the pull request of this run."""
        event = json.loads(Path(self._environment["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
        comments = f"{self._repository}/issues/{int(event['pull_request']['number'])}/comments"
        own = next((one for one in self._api.pages(comments) if _is_ours(one, mark)), None)
        if own is None:
            self._api.json("POST", comments, {"body": text})
        else:
            self._api.json("PATCH", f"{self._repository}/issues/comments/{own['id']}", {"body": text})

    def keep(self, name: PlanName, plan: bytes) -> None:
        """Raise ForgeError: artifacts are stored by ``actions/upload-artifact``, for which the API has no request."""
        raise ForgeError("on GitHub a plan is kept by actions/upload-artifact")

    def find(self, name: PlanName) -> bytes | None:
        """Return the newest plan of this configuration; else the newest of the pull request that was merged.

        Artifacts of runs from a fork are never taken: whoever has a fork can make them.
        """
        named = self._api.pages(f"{self._repository}/actions/artifacts", "artifacts", name=str(name))
        found = self._newest(named) or self._newest(
            one for one in self._of_merged() if one["name"].startswith(f"{name.prefix}-")
        )
        if found is None:
            return None
        return _unpacked(self._api.download(f"{self._repository}/actions/artifacts/{found['id']}/zip"))

    def _newest(self, artifacts: Iterable[Any]) -> Any:
        own = [one for one in artifacts if not one["expired"] and self._is_of_this_repository(one["workflow_run"])]
        return max(own, key=lambda one: (one["created_at"], one["id"]), default=None)

    def _is_of_this_repository(self, run: Mapping[str, Any] | None) -> bool:
        if run is None or run.get("repository_id") is None:
            return False
        known = self._environment.get("GITHUB_REPOSITORY_ID") or str(run["repository_id"])
        return str(run.get("head_repository_id")) == str(run["repository_id"]) == known

    def _of_merged(self) -> Iterator[Any]:
        """Yield the artifacts of the pull requests that this commit came from."""
        commit = self._environment["GITHUB_SHA"]
        for pull in self._api.pages(f"{self._repository}/commits/{commit}/pulls"):
            if pull["merged_at"] and pull["merge_commit_sha"] == commit:
                runs = f"{self._repository}/actions/runs"
                for run in self._api.pages(runs, "workflow_runs", head_sha=pull["head"]["sha"], event="pull_request"):
                    yield from self._api.pages(f"{runs}/{run['id']}/artifacts", "artifacts")

    def open_issue(self, mark: str, title: str, text: str) -> None:
        """Keep one issue open with this text."""
        issues = self._issues(mark)
        if not issues:
            self._api.json("POST", f"{self._repository}/issues", {"title": title, "body": text, "labels": [LABEL]})
            return
        self._api.json("PATCH", f"{self._repository}/issues/{issues[0]}", {"title": title, "body": text})
        self._close(issues[1:], "Another issue says the same.")

    def close_issue(self, mark: str, text: str) -> None:
        """Close what is open."""
        self._close(self._issues(mark), text)

    def _issues(self, mark: str) -> list[int]:
        found = self._api.pages(f"{self._repository}/issues", state="open", labels=LABEL)
        return sorted(one["number"] for one in found if "pull_request" not in one and _is_ours(one, mark))

    def _close(self, numbers: Iterable[int], text: str) -> None:
        for number in numbers:
            self._api.json("POST", f"{self._repository}/issues/{number}/comments", {"body": text})
            self._api.json(
                "PATCH", f"{self._repository}/issues/{number}", {"state": "closed", "state_reason": "completed"}
            )


def _is_ours(one: Mapping[str, Any], mark: str) -> bool:
    return (one["user"] or {}).get("type") == "Bot" and (one["body"] or "").startswith(mark)


def _unpacked(archive: bytes) -> bytes:
    """Return the plan of an artifact. Raises ForgeError for one that holds anything else."""
    try:
        with ZipFile(io.BytesIO(archive)) as packed:
            members = packed.infolist()
            if [one.filename for one in members] != [FILE] or members[0].file_size > MAX_BYTES:
                raise ForgeError(f"the artifact does not hold {FILE} alone")
            return packed.read(members[0])
    except BadZipFile:
        raise ForgeError("the artifact is no archive") from None

"""GitLab's REST API (version 4) and the predefined variables of its jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from reconciler.forge.client import Client, ForgeError
from reconciler.forge.names import FILE, LABEL, PlanName

TOKEN = "RECONCILER_API_TOKEN"  # noqa: S105 - its name
"""The variable with a project access token (scope ``api``): a job's own token may neither comment nor open issues."""


class GitLab:
    """One project: plans are kept in its package registry, which a job's token may read and write."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._project = f"/projects/{quote(environment['CI_PROJECT_ID'], safe='')}"
        base = environment["CI_API_V4_URL"]
        self._packages = Client(base, {"JOB-TOKEN": environment["CI_JOB_TOKEN"], "User-Agent": "config-reconciler"})
        token = environment.get(TOKEN)
        self._api = Client(base, {"PRIVATE-TOKEN": token, "User-Agent": "config-reconciler"}) if token else None

    def comment(self, mark: str, text: str) -> None:
        """Write the one note with this first line to the merge request of this job."""
        iid = int(self._environment["CI_MERGE_REQUEST_IID"])
        notes, me = f"{self._project}/merge_requests/{iid}/notes", self._me()
        own = next((one for one in self._asked.pages(notes) if _is_ours(one, me, one["body"], mark)), None)
        if own is None:
            self._asked.json("POST", notes, {"body": text})
        else:
            self._asked.json("PUT", f"{notes}/{own['id']}", {"body": text})

    def keep(self, name: PlanName, plan: bytes) -> None:
        """Keep a plan under the configuration's digest and, for when that moves, under its merge request.

        Nothing is kept of a fork: whoever has it can plan anything.
        """
        variables = self._environment
        if variables.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID") != variables["CI_PROJECT_ID"]:
            raise ForgeError("this is no merge request of the project itself: its plan is not kept")
        for version in (name.digest, f"merge-request-{int(variables['CI_MERGE_REQUEST_IID'])}"):
            self._packages.upload(self._file(name, version), plan)

    def find(self, name: PlanName) -> bytes | None:
        """Return the newest plan of this configuration; else the newest of the merge request that was merged."""
        for version in (name.digest, *self._merged()):
            try:
                return self._packages.download(self._file(name, version))
            except ForgeError as error:
                if error.status != 404:
                    raise
        return None

    def _file(self, name: PlanName, version: str) -> str:
        return f"{self._project}/packages/generic/{name.prefix}/{version}/{FILE}"

    def _merged(self) -> Iterator[str]:
        """Yield the versions of the merge requests that this commit came from; none without a token that may ask."""
        commit = self._environment["CI_COMMIT_SHA"]
        for one in self._api.pages(f"{self._project}/repository/commits/{commit}/merge_requests") if self._api else ():
            if one["state"] == "merged" and commit in {one["merge_commit_sha"], one["squash_commit_sha"], one["sha"]}:
                yield f"merge-request-{int(one['iid'])}"

    def open_issue(self, mark: str, title: str, text: str) -> None:
        """Keep one issue open with this text."""
        issues, body = self._issues(mark), {"title": title, "description": text}
        if not issues:
            self._asked.json("POST", f"{self._project}/issues", {**body, "labels": LABEL})
            return
        self._asked.json("PUT", f"{self._project}/issues/{issues[0]}", body)
        self._close(issues[1:], "Another issue says the same.")

    def close_issue(self, mark: str, text: str) -> None:
        """Close what is open."""
        self._close(self._issues(mark), text)

    def _issues(self, mark: str) -> list[int]:
        me = self._me()
        found = self._asked.pages(f"{self._project}/issues", state="opened", labels=LABEL, scope="all")
        return sorted(one["iid"] for one in found if _is_ours(one, me, one["description"], mark))

    def _close(self, numbers: Iterable[int], text: str) -> None:
        for number in numbers:
            self._asked.json("POST", f"{self._project}/issues/{number}/notes", {"body": text})
            self._asked.json("PUT", f"{self._project}/issues/{number}", {"state_event": "close"})

    def _me(self) -> int:
        return int(self._asked.json("GET", "/user")["id"])

    @property
    def _asked(self) -> Client:
        if self._api is None:
            raise ForgeError(f"{TOKEN} is not set: comments and issues need a project access token (scope api)")
        return self._api


def _is_ours(one: Mapping[str, Any], me: int, text: str | None, mark: str) -> bool:
    return one["author"]["id"] == me and (text or "").startswith(mark)

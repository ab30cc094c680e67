"""The APIs of GitHub and GitLab over HTTP: each request is held against a description, and served from lists."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from zipfile import ZipFile

import jsonschema
import yaml

HERE = Path(__file__).parent
ME = {"github": {"type": "Bot", "login": "github-actions[bot]"}, "gitlab": {"id": 7, "username": "project_1_bot"}}
PERSON = {"github": {"type": "User", "login": "eve"}, "gitlab": {"id": 8, "username": "eve"}}
TOKENS = {"authorization": "Bearer the-token", "private-token": "the-token", "job-token": "the-job-token"}
_MAY_JOB_TOKEN = "/packages/generic/"


class FakeApi:
    """One repository's comments, issues, artifacts and packages; ``violations`` are requests that no description allows."""

    def __init__(self, forge: str) -> None:
        self.forge = forge
        self.paths = yaml.safe_load((HERE / "openapi" / f"{forge}.yaml").read_text())["paths"]
        self.url = ""
        self.requests: list[str] = []
        self.violations: list[str] = []
        self.comments: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.artifacts: list[dict[str, Any]] = []
        self.archives: dict[int, bytes] = {}
        self.packages: dict[str, bytes] = {}
        self.pulls: list[dict[str, Any]] = []
        self.page = 100

    def add_artifact(self, name: str, plan: bytes, head_sha: str, head_repository: int = 1, run: int = 1) -> None:
        packed = io.BytesIO()
        with ZipFile(packed, "w") as archive:
            archive.writestr("reconciler.plan", plan)
        number = len(self.artifacts) + 1
        self.archives[number] = packed.getvalue()
        origin = {"id": run, "repository_id": 1, "head_repository_id": head_repository, "head_sha": head_sha}
        when = f"2026-01-01T00:00:{number:02d}Z"
        self.artifacts.append(
            {"id": number, "name": name, "expired": False, "created_at": when, "workflow_run": origin}
        )

    def judge(self, method: str, path: str, query: dict[str, str], body: bytes) -> None:
        """Note what the description of the API does not allow."""
        for template, methods in self.paths.items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method.lower() in methods:
                described = methods[method.lower()]
                for name in query.keys() - described.get("query", {}).keys():
                    self.violations.append(f"{method} {path}: no parameter {name}")
                for name, value in query.items():
                    if described.get("query", {}).get(name) == "integer" and not value.isdigit():
                        self.violations.append(f"{method} {path}: {name} is no integer")
                if "body" in described:
                    for error in jsonschema.Draft202012Validator(described["body"]).iter_errors(json.loads(body)):
                        self.violations.append(f"{method} {path}: {error.message}")
                elif body and "file" not in described:
                    self.violations.append(f"{method} {path}: it takes no body")
                return
        self.violations.append(f"{method} {path}: there is no such request")

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> Any:
        """Return a status and a document, or bytes, or the address of a redirect."""
        parts = [unquote(part) for part in path.split("/")[1:]]
        document = json.loads(body) if body and _MAY_JOB_TOKEN not in path else {}
        rest = "/".join(parts[3:] if self.forge == "github" else parts[2:])
        if path == "/user":
            return 200, ME["gitlab"]
        if "packages/generic" in rest:
            if method == "PUT":
                self.packages[rest] = body
                return 201, {}
            return (200, self.packages[rest]) if rest in self.packages else (404, {})
        if found := re.fullmatch(r"actions/artifacts/(\d+)/zip", rest):
            return 302, self.url.replace("127.0.0.1", "localhost") + f"/stored/{found[1]}"
        if rest == "actions/artifacts":
            named = [one for one in self.artifacts if one["name"] == query["name"]]
            return 200, {"total_count": len(named), "artifacts": self._paged(named, query)}
        if rest == "actions/runs":
            runs = {
                one["workflow_run"]["id"]
                for one in self.artifacts
                if one["workflow_run"]["head_sha"] == query["head_sha"]
            }
            return 200, {"total_count": len(runs), "workflow_runs": [{"id": one} for one in sorted(runs)]}
        if found := re.fullmatch(r"actions/runs/(\d+)/artifacts", rest):
            own = [one for one in self.artifacts if one["workflow_run"]["id"] == int(found[1])]
            return 200, {"total_count": len(own), "artifacts": self._paged(own, query)}
        if found := re.fullmatch(r"(?:repository/)?commits/(\w+)/(?:pulls|merge_requests)", rest):
            return 200, [one for one in self.pulls if one["merge_commit_sha"] == found[1]]
        return self._texts(method, rest, query, document)

    def _texts(self, method: str, rest: str, query: dict[str, str], document: dict[str, Any]) -> Any:
        """Comments and issues, which both forges have by other names."""
        number = int(rest.rpartition("/")[2]) if rest.rpartition("/")[2].isdigit() else None
        about = re.search(r"(?:issues|merge_requests)/(\d+)/(?:comments|notes)", rest)
        is_issue = re.fullmatch(r"issues(/\d+)?", rest)
        who = "user" if self.forge == "github" else "author"
        entries = self.issues if is_issue else self.comments
        if method == "GET":
            entries = [one for one in entries if not is_issue or one["state"] in {"open", "opened"}]
            if about:
                entries = [one for one in entries if one["on"] == int(about[1])]
            return 200, self._paged(entries, query)
        if number is not None:
            entry = next(one for one in entries if one["id"] == number)
            entry.update(document)
            if document.get("state_event") == "close":
                entry["state"] = "closed"
            return 200, entry
        entry = {"id": len(entries) + 1, who: ME[self.forge], "body": "", "description": "", **document}
        entry.update({"number": entry["id"], "iid": entry["id"], "state": "open", "on": int(about[1]) if about else 0})
        entries.append(entry)
        return 201, entry

    def _paged(self, entries: list[Any], query: dict[str, str]) -> list[Any]:
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        return entries[(page - 1) * size : page * size]


class _Handler(BaseHTTPRequestHandler):
    api: FakeApi

    def _serve(self) -> None:
        api, url = self.api, urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path.startswith("/stored/"):
            if any(self.headers.get(name) for name in TOKENS):
                api.violations.append("the token was sent to another host")
            self._send(200, api.archives[int(url.path.rpartition("/")[2])])
            return
        api.requests.append(f"{self.command} {url.path}")
        api.judge(self.command, url.path, query, body)
        if not self._is_known(url.path):
            self._send(401, {"message": "Bad credentials"})
            return
        status, found = api.answer(self.command, url.path, query, body)
        self._send(status, found)

    def _is_known(self, path: str) -> bool:
        given = {name: self.headers.get(name) for name in TOKENS}
        if self.api.forge == "github":
            return given["authorization"] == TOKENS["authorization"]
        if given["job-token"] == TOKENS["job-token"]:
            return _MAY_JOB_TOKEN in path  # a job's token may do little else
        return given["private-token"] == TOKENS["private-token"]

    def _send(self, status: int, found: Any) -> None:
        data = b"" if status == 302 else found if isinstance(found, bytes) else json.dumps(found).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", found)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = _serve

    def log_message(self, *_: Any) -> None:
        """Be quiet."""


@contextmanager
def serving(forge: str) -> Iterator[FakeApi]:
    """Serve one API until the end of the block, and hold then that no request went against its description."""
    api = FakeApi(forge)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api}))
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert api.violations == []

"""No command starts a program or opens a connection of its own while a transaction of it is open."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.conftest import Db, command_environment
from tests.notify.receiver import receiving

WATCH = """
import json, os, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine

open_, seen = set(), {"inside": [], "outside": [], "transactions": 0}
AWAITED = {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn",
           "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}

def audit(name, arguments):
    if name in AWAITED:
        seen["inside" if open_ else "outside"].append(name)

@event.listens_for(Engine, "begin")
def _begin(connection):
    open_.add(id(connection.connection.dbapi_connection))
    seen["transactions"] += 1

@event.listens_for(Engine, "commit")
@event.listens_for(Engine, "rollback")
def _end(connection):
    # this comes just before the driver is called; nothing of ours runs in between
    open_.discard(id(connection.connection.dbapi_connection))

sys.addaudithook(audit)
from reconciler.cli import run
try:
    code = run(sys.argv[2:])
except SystemExit as error:
    code = error.code
with open(sys.argv[1], "w") as file:
    json.dump({**seen, "code": code}, file)
"""
PROJECT = """
version: 1
project: shop
notifications:
  siem: {{type: webhook, url: "{url}/siem", secret: "env://HOOK_SECRET", events: [apply, drift]}}
"""
MANIFEST = """
version: 1
tenant: acme
limits:
  month: {{target: tenant, per: month, requests: {0}}}
  day: {{target: tenant, per: day, requests: 5}}
callers:
  bot: {{auth: {{api_key: {{}}}}}}
"""
YES = "--auto-approve"
ASKS = ("apply", ".", YES, "--check")
COMMANDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("db", "upgrade"), ""),
    (("apply", ".", YES), ""),
    (ASKS, ""),
    (("apply", "saved.plan", YES), ""),
    (("rollback", "1", YES), ""),
    (("revert", "4", YES), ""),
    (("apply", ".", YES, "--allow-undo", "--allow-diverged"), ""),
    (("forget", "acme/limit/day", YES), ""),
    (("adopt", "acme/limit/day", YES), ""),
    (("secrets", "set", "acme/token"), "a value"),
    (("secrets", "set", "acme/token"), "another value"),
    (("secrets", "reencrypt"), ""),
    (("secrets", "delete", "acme/token", YES), ""),
    (("freeze", "tenant/acme", "--reason", "a test"), ""),
    (("unfreeze", "tenant/acme", "--reason", "a test"), ""),
    (("keys", "issue", "acme/bot"), ""),
    (("keys", "revoke", "acme/bot"), ""),
    (("drift", "--notify"), ""),
    (("project", "rename", "shop", "store"), ""),
)


class Watched:
    def __init__(self, db: Db, folder: Path, env: dict[str, str]) -> None:
        self.db, self.folder, self.env = db, folder, env

    def run(self, *arguments: str, stdin: str = "") -> dict[str, Any]:
        report = self.folder.parent / "report.json"
        report.unlink(missing_ok=True)
        environment = command_environment({"RECONCILER_DATABASE_URL": self.db.url, **self.env})
        watching = forked.How(code=WATCH)
        command = forked.start([str(report), *arguments], self.folder, environment, stdin, how=watching)
        done = forked.finished(command, 60)
        assert report.exists(), done.stdout + done.stderr
        return {**json.loads(report.read_text()), "text": done.stdout + done.stderr}


@pytest.fixture
def watched(db: Db, folder: Path) -> Iterator[Watched]:
    """A project in git whose applies are reported to a server, with a key."""
    with receiving() as receiver:
        (folder / "reconciler.yaml").write_text(PROJECT.format(url=receiver.url))
        (folder / "acme.yaml").write_text(MANIFEST.format(1))
        secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwCANARY11"
        made = Watched(db, folder, {"HOOK_SECRET": secret, "RECONCILER_KEY_FILE": str(folder.parent / "key.json")})
        assert made.run("secrets", "keys", "create", "--out", str(folder.parent / "key.json"))["code"] == 0
        subprocess.run(["git", "init"], cwd=folder, check=True, capture_output=True)
        commit(folder)
        yield made


def commit(folder: Path) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgSign=false")
    for arguments in (("add", "."), ("commit", "-m", "a change")):
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_no_writing_command_does(watched: Watched) -> None:
    outside: set[str] = set()
    for arguments, stdin in COMMANDS:
        if arguments == ASKS:  # whether its commit comes after the one that was applied
            (watched.folder / "acme.yaml").write_text(MANIFEST.format(3))
            commit(watched.folder)
        if "saved.plan" in arguments:
            (watched.folder / "acme.yaml").write_text(MANIFEST.format(2))
            watched.run("plan", ".", "--out", "saved.plan")
            arguments = (*arguments, "--allow-diverged")
        found = watched.run(*arguments, stdin=stdin)
        assert found["inside"] == [], arguments
        assert found["code"] in {0, 2}, (arguments, found["text"])
        assert found["transactions"] > 0, arguments
        outside.update(found["outside"])
    assert {"subprocess.Popen", "socket.connect"} <= outside  # they do it: git is asked, and a server told

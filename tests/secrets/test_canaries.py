"""Fifty secrets go through every command, format and failure; then they are looked for in everything that was left behind."""

from __future__ import annotations

import contextlib
import http.server
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import forked
from tests.conftest import ROOT, Db, command_environment
from tests.secrets.canaries import CANARIES, found_in
from tests.secrets.vault_server import Token, VaultServer

KEPT, GIVEN, STORED = CANARIES[:20], CANARIES[20:35], CANARIES[35:]  # encrypted://, env:// and vault://
PASSWORD = "cnry50-p%ss/word-Zq395950X"  # of the database's URL
TOKEN = "cnry51-hvs.token-Zq403869X"  # of Vault

LOUD = (
    "import logging, sys; logging.basicConfig(level=logging.DEBUG); from reconciler.cli import main; main(sys.argv[1:])"
)
MANY = """
import io, logging, sys
logging.basicConfig(level=logging.DEBUG)
from reconciler.cli import run
from reconciler.cli.output import scrub_output
from tests.secrets.test_canaries import KEPT
scrub_output()
for number, value in enumerate(KEPT[1:], 1):
    sys.stdin = io.TextIOWrapper(io.BytesIO(value.encode()))
    assert run(["secrets", "set", f"acme/kept-{number}"]) == 0
"""
EACH = """
import logging, sys
logging.basicConfig(level=logging.DEBUG)
from reconciler.cli import run
from reconciler.cli.output import scrub_output
scrub_output()
sys.exit(sum(run(line.split()) for line in sys.argv[1:]))
"""
GIT = """#!/bin/sh
env > "$(mktemp {folder}/git-XXXXXX)"
exec {git} "$@"
"""


class Receiver(http.server.BaseHTTPRequestHandler):
    """An API that echoes the credential it gets, as careless ones do."""

    got: list[str]

    def do_GET(self) -> None:
        sent = self.headers.get("Authorization", "")
        self.got.append(sent.encode("latin-1", "replace").decode("latin-1"))
        self.send_response(401 if len(self.got) % 5 == 0 else 200)
        self.send_header("X-Echo", "".join(c for c in sent if 32 <= ord(c) < 127))
        self.end_headers()
        self.wfile.write(sent.encode())

    def log_message(self, *_: object) -> None:
        return


@contextlib.contextmanager
def receiver() -> Iterator[tuple[int, list[str]]]:
    handler = type("Own", (Receiver,), {"got": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], handler.got  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


def manifest(port: int) -> str:
    lines = ["version: 1", "tenant: acme", "integrations:"]
    references = [f"encrypted://kept-{number}" for number in range(len(KEPT))]
    references += [f"env://GIVEN_{number}" for number in range(len(GIVEN))]
    references += [f"vault://kv/acme/stored-{number}#key" for number in range(len(STORED))]
    for number, reference in enumerate(references):
        lines.append(
            f"  i{number}: {{provider: custom, base_url: 'http://127.0.0.1:{port}/', credential: '{reference}'}}"
        )
    return "\n".join(lines) + "\n"


class Story:
    """Runs commands and keeps all that they wrote."""

    def __init__(self, folder: Path, db: Db, vault: VaultServer) -> None:
        self.folder = folder
        self.written: list[str] = []
        shims = folder / "shims"
        shims.mkdir()
        self.environments = folder / "environments"
        self.environments.mkdir()
        git = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
        (shims / "git").write_text(GIT.format(folder=self.environments, git=git))
        (shims / "git").chmod(0o755)
        url = db.url.replace("postgres:@", f"postgres:{PASSWORD.replace('%', '%25').replace('/', '%2F')}@")
        self.env = command_environment(
            {
                "RECONCILER_DATABASE_URL": url,
                "RECONCILER_PROJECT": "canaries",
                "RECONCILER_KEY_FILE": str(folder / "keys.json"),
                "VAULT_ADDR": vault.url,
                "VAULT_TOKEN": TOKEN,
                "HOME": str(folder),
                "PATH": f"{shims}:{os.environ['PATH']}",
                **{f"GIVEN_{number}": value for number, value in enumerate(GIVEN)},
            }
        )

    def run(self, *arguments: str, stdin: str = "", code: str = LOUD, **env: str) -> int:
        """As a user would, with everybody's loggers at DEBUG."""
        environment = {**self.env, **env}
        if forked.may_fork(env):
            how = forked.How(code=code)
            ended = forked.finished(forked.start(arguments, self.folder, environment, stdin, how=how), 120)
        else:
            ended = subprocess.run(
                [sys.executable, "-c", code, *arguments],
                cwd=self.folder,
                env=environment,
                input=stdin,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        self.written += [ended.stdout, ended.stderr]
        return ended.returncode


def left_behind(db: Db) -> str:
    """Every row of every table, and for SQLite the bytes of its files."""
    if db.is_sqlite:
        files = [path.read_bytes().decode("latin-1") for path in db.path.parent.glob(db.path.name + "*")]
        with sqlite3.connect(db.path) as connection:
            return "\n".join([*files, *connection.iterdump()])
    with psycopg.connect(db.url) as connection:
        tables = [
            t
            for (t,) in connection.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
        ]
        rows = [str(row) for table in tables for row in connection.execute(f'SELECT t::text FROM "{table}" t')]  # type: ignore[arg-type]
        assert len(tables) > 10
        return "\n".join(rows)


@pytest.fixture
def server_log(db: Db, request: pytest.FixtureRequest) -> Iterator[Path | None]:
    """PostgreSQL's own log, with every statement and its parameters; None for SQLite."""
    if db.is_sqlite:
        yield None
        return
    with psycopg.connect(db.url, autocommit=True) as connection:
        (name,) = connection.execute("SELECT current_database()").fetchone() or ("",)
        for setting in (
            "log_statement = 'all'",
            "log_min_duration_statement = 0",
            "log_parameter_max_length = -1",
            "log_parameter_max_length_on_error = -1",
        ):
            connection.execute(f"ALTER DATABASE {name} SET {setting}")  # type: ignore[arg-type]
        (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    yield Path(folder) / "log"


def test_no_canary_is_left_anywhere(db: Db, server_log: Path | None, folder: Path, vault: VaultServer) -> None:
    vault.tokens = {TOKEN: Token()}
    for number, value in enumerate(STORED):
        vault.put("kv", f"acme/stored-{number}", key=value, other="x")
    story = Story(folder, db, vault)
    with receiver() as (port, got):
        assert story.run("secrets", "keys", "create", "--out", "keys.json") == 0
        assert story.run("secrets", "set", "acme/kept-0", stdin=KEPT[0]) == 0
        assert story.run(code=MANY, PYTHONPATH=str(ROOT)) == 0  # the others, in one process
        (folder / "acme.yaml").write_text(manifest(port))
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        (folder / ".gitignore").write_text("keys.json\nother.json\n")

        assert story.run("validate", "--check") == 0
        assert story.run("apply", "--check", "--auto-approve", "--allow-diverged") == 0
        assert story.run("validate", "--probe") == 1  # some are refused, and some can't be sent over HTTP
        assert story.run("plan", "--check", "--out", "nothing.plan", "--format", "json") == 0
        assert story.run("secrets", "rotate", "acme/kept-0", stdin=KEPT[1]) == 0
        for form in ("text", "markdown", "html"):
            assert story.run("plan", "--check", "--format", form, "--out", f"{form}.plan", GIVEN_0=GIVEN[1]) == 0
        assert (
            story.run("apply", "text.plan", "--check", "--auto-approve", "--allow-diverged", "-v", GIVEN_0=GIVEN[1])
            == 0
        )
        unresolved = [f"validate --check --format {form}" for form in ("json", "github", "sarif")]
        assert story.run(*unresolved, code=EACH, PYTHONPATH=str(ROOT), GIVEN_3="") == 21  # each of them 7
        asked = ("drift", "history", "export", "secrets list", "secrets access-log", "audit verify")
        each = [f"{command} --format json" for command in asked]
        assert story.run("blame acme/integration/i0", *each, code=EACH, PYTHONPATH=str(ROOT)) == 0

        # failures: values that fit no type, a key that is missing, a damaged one, tracebacks on purpose
        assert story.run("secrets", "set", "acme/bad", "--type", "oauth", stdin=KEPT[3]) == 64
        assert story.run("secrets", "set", "acme/bad", "--type", "database", stdin=KEPT[4]) in {0, 64}
        assert story.run("validate", "--check", RECONCILER_KEY_FILE="") == 7
        assert story.run("secrets", "keys", "create", "--out", "other.json") == 0
        assert story.run("validate", "--check", RECONCILER_KEY_FILE=str(folder / "other.json")) == 8
        for point in ("before_stmt", "before_commit"):
            raised = {"RECONCILER_DEBUG": "1", "RECONCILER_FAILPOINT": f"{point}:raise:1"}
            assert story.run("secrets", "rotate", "acme/kept-1", stdin=KEPT[5], **raised) in {0, 1}
            assert story.run("apply", "--check", "--auto-approve", "--allow-diverged", **raised) in {0, 1, 7}
        assert any("Traceback" in text for text in story.written)
        assert story.run("secrets", "reencrypt") == 0
        assert {one.partition("cnry")[2][:2] for one in got if "cnry" in one} > {"00", "20", "49"}  # they were in use

    everywhere = (*CANARIES, PASSWORD, TOKEN)
    assert found_in("\n".join(story.written), everywhere) == []
    assert found_in(left_behind(db), everywhere) == []
    for path in folder.glob("*.plan"):
        assert found_in(path.read_text(), everywhere) == [], path
    children = [path.read_text() for path in story.environments.iterdir()]
    assert children
    assert found_in("\n".join(children), everywhere) == []
    if server_log is not None:
        log = server_log.read_text(errors="replace")
        assert "INSERT INTO secrets" in log
        assert found_in(log, everywhere) == []

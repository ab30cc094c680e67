"""The databases that a connector of type `sql` is tried on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mariadb import Mariadb, running
from tests.runtime.connectors.support import Place, duckdb_place, mysql_place, postgresql_place, sqlite_place


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mariadb]:
    with running(tmp_path_factory.mktemp("mariadb")) as server:
        if server is None:
            pytest.skip("MariaDB comes from Debian's packages, and there is no apt here")
        yield server


@pytest.fixture(params=["sqlite", "postgresql", "duckdb", "mysql"])
def place(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: str) -> Place:
    if request.param == "duckdb":
        return duckdb_place(tmp_path)
    if request.param == "mysql":
        return mysql_place(request.getfixturevalue("mariadb"))
    made = sqlite_place(tmp_path) if request.param == "sqlite" else postgresql_place(postgres_server)
    made.sql("CREATE INDEX by_name ON customers (name)")
    return made

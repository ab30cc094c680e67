"""The databases that a connector of type `sql` is tried on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.connectors.support import Place, duckdb_place, postgresql_place, sqlite_place


@pytest.fixture(params=["sqlite", "postgresql", "duckdb"])
def place(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: str) -> Place:
    if request.param == "duckdb":
        return duckdb_place(tmp_path)
    made = sqlite_place(tmp_path) if request.param == "sqlite" else postgresql_place(postgres_server)
    made.sql("CREATE INDEX by_name ON customers (name)")
    return made

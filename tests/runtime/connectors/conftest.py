"""The two databases that a connector of type `sql` is tried on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.connectors.support import Place, postgresql_place, sqlite_place


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: str) -> Place:
    made = sqlite_place(tmp_path) if request.param == "sqlite" else postgresql_place(postgres_server)
    made.sql("CREATE INDEX by_name ON customers (name)")
    return made

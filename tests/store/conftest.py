"""The tests' PostgreSQL, not waiting for the disk: processes are killed here, the machine is not."""

from __future__ import annotations

import psycopg
import pytest


@pytest.fixture(scope="session")
def postgres_server(postgres_server: str) -> str:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    return postgres_server

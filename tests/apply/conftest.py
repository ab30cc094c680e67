"""A transaction-pooling PgBouncer before the tests' PostgreSQL, where one is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.faults.pooler import PGBOUNCER, pooling


@pytest.fixture(scope="session")
def pgbouncer(postgres_server: str) -> Iterator[Callable[[str], str]]:
    """Turns the URL of a database into one that goes through a pool of five server connections."""
    if PGBOUNCER is None:
        pytest.skip("pgbouncer is not installed: nothing is tested through a transaction-pooling proxy")
    with pooling(postgres_server) as through:
        yield through

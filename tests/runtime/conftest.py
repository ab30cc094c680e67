"""Servers inside of a test's process have the time of a slow machine; tests of these bounds set their own."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest

from reconciler.runtime import source
from reconciler.runtime.connectors import mysql, postgresql
from reconciler.runtime.ledger import ledger
from tests.conftest import PATIENCE


@pytest.fixture(autouse=True, scope="session")
def patient() -> Iterator[None]:
    with (
        patch.object(source, "FRESH_SECONDS", PATIENCE * source.FRESH_SECONDS),
        patch.object(postgresql, "CLEAN_SECONDS", PATIENCE * postgresql.CLEAN_SECONDS),
        patch.object(mysql, "CLEAN_SECONDS", PATIENCE * mysql.CLEAN_SECONDS),
        patch.object(ledger, "WAIT_SECONDS", PATIENCE * ledger.WAIT_SECONDS),
    ):
        yield

"""Campaigns that the tests of faults share: one for each way to a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.campaigns.faults import SLOW, Campaign, staged
from tests.faults.pooler import PGBOUNCER
from tests.notify.receiver import receiving


@pytest.fixture(scope="session", params=["sqlite", "postgresql", "pgbouncer"])
def campaign(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    if request.param == "pgbouncer" and PGBOUNCER is None:
        pytest.skip("pgbouncer is not installed: nothing is tested through a transaction-pooling proxy")
    yield from campaign_on(request, request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def on_postgresql(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    yield from campaign_on(request, "postgresql", tmp_path_factory.mktemp("on"))


def campaign_on(request: pytest.FixtureRequest, kind: str, folder: Path) -> Iterator[Campaign]:
    server = None if kind == "sqlite" else request.getfixturevalue("postgres_server")
    with ExitStack() as opened:
        receiver = opened.enter_context(receiving())
        receiver.delay = SLOW
        yield Campaign(opened.enter_context(staged(kind, server)), folder / "world", receiver.url)

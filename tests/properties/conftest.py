"""Databases for many examples, once per module and sort."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import new_postgres_database
from tests.memory import memory

from .arena import Arena, arena


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Arena]:
    with arena("sqlite") as made:
        yield made


@pytest.fixture(scope="module")
def postgresql(postgres_server: str) -> Iterator[Arena]:
    with arena("postgresql", new_postgres_database(postgres_server)) as made:
        yield made


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that examples write their files to."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="manifests", dir=memory()))
    yield folder
    shutil.rmtree(folder)

"""A server counts closed hours by itself, and files their digests in the audit trail of its control database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from reconciler.load.serve_file import ServeFile
from reconciler.runtime import workers
from reconciler.runtime.call import Permits, Surroundings
from reconciler.runtime.ledger.digests import Window, verify
from reconciler.runtime.parts import assembled
from reconciler.runtime.setup import Databases, Setup
from tests.conftest import PATIENCE, Db
from tests.runtime.ledger.support import store_of
from tests.runtime.ledger.test_rollup import FIRST, filled
from tests.runtime.worlds import WORLD, apply, nobody
from tests.store.support import database_of


def test_serve_rolls_up_and_files(db: Db, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ROLL_UP_SECONDS", 0.1)
    control = Db(f"sqlite:///{tmp_path}/control.db")
    apply(control, folder, WORLD)
    filled(db)
    databases = Databases(database_of(control), store_of(db), store_of(db))
    settings = ServeFile(version=1, keep_days=3650, keep_aggregates_days=36500)

    async def main() -> None:
        async with assembled(Setup(settings, databases, Surroundings(nobody, nobody, Permits()))):
            async with asyncio.timeout(8 * PATIENCE):
                while db.sql("SELECT count(DISTINCT hour) FROM hours") != [(3,)] or control.sql(FILED) == [(0,)]:
                    await asyncio.sleep(0.05)

    asyncio.run(main())
    check = verify(store_of(db), database_of(control), Window(FIRST))
    assert check.findings == ()


FILED = "SELECT count(*) FROM audit WHERE body LIKE '%evidence-hours%480030%'"

"""What another project's apply, or somebody by hand, has made of what stands behind a template: what does not fit is no tool, and
`access explain` says so too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.access.snapshot import snapshot_of
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.known import Known, Text
from tests.access.test_reference_model import body
from tests.conftest import Db
from tests.runtime.test_mediator import ADD, EU, TOP, refused
from tests.runtime.worlds import BOT, World, in_world

READS = {"type": "http", "method": "GET", "path": "/orders/1"}
API = {"type": "http", "base_url": "https://x.example"}
SQL = {"type": "sql", "dialect": "sqlite", "database": "x.db"}
SELECT = {"type": "sql", "datasource": "d", "sql": "SELECT 1"}


@pytest.mark.parametrize(
    ("template", "datasource", "connector", "fits"),
    [
        ({**READS, "connector": "c"}, None, API, True),
        ({**READS, "connector": "c"}, None, SQL, False),
        ({**READS, "connector": "c", "method": "POST"}, None, API, False),
        ({**READS, "connector": "c", "method": "POST"}, None, {**API, "allowed_methods": ["POST"]}, True),
        ({**READS, "datasource": "d"}, {"type": "api", "paths": ["/orders/*"]}, API, True),
        ({**READS, "datasource": "d"}, {"type": "api", "paths": []}, API, True),
        ({**READS, "datasource": "d"}, {"type": "api", "paths": ["/invoices/*"]}, API, False),
        (SELECT, {"type": "database"}, SQL, True),
        (SELECT, {"type": "database"}, API, False),
        ({**SELECT, "read_only": False}, {"type": "database"}, SQL, False),
        ({**SELECT, "read_only": False}, {"type": "database"}, {**SQL, "read_only": False}, True),
    ],
)
def test_what_fits_is_a_target(template: Any, datasource: Any, connector: Any, fits: bool) -> None:
    bodies = {"template/t": body("template", template), "connector/c": body("connector", connector)}
    if datasource is not None:
        bodies["datasource/d"] = body("datasource", {**datasource, "connector": "c"})
    known = []
    for name, one in bodies.items():
        address = Address("acme", *name.split("/"))
        known.append(Known(address, name, Text(canonical(one), 1), "p", True))
    target = snapshot_of(known).tenant("acme").target("template/t")
    assert (target == "unusable") != fits


def test_a_connector_that_was_made_read_only_by_hand(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        assert [*world.mediator.tools(BOT)] == ["add", "top"]
        changed = (
            "json_set(spec, '$.read_only', json('true'))" if db.is_sqlite else "jsonb_set(spec, '{read_only}', 'true')"
        )
        db.sql(f"UPDATE resources SET spec = {changed} WHERE name = 'warehouse'")
        await world.look()
        assert [*world.mediator.tools(BOT)] == ["top"]
        assert (await refused(world, BOT, ADD, {})).code == "not-found"
        assert (await world.evidence())[0]["reason"] == "unusable"
        await world.mediator.access(BOT, TOP, EU)

    in_world(db, folder, work)

"""What another project's apply, or somebody by hand, has made of what stands behind a template: what does not fit is no tool, and
`access explain` says so too."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.access.judge import Caller
from reconciler.access.snapshot import snapshot_of
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.known import Known, Text
from tests.access.test_reference_model import body
from tests.conftest import Db
from tests.runtime.test_mediator import ADD, EU, TOP, refused
from tests.runtime.worlds import BOT, WORLD, World, in_world
from tests.store.support import cli

READS = {"type": "http", "method": "GET", "path": "/orders/1"}
API = {"type": "http", "base_url": "https://x.example"}
SQL = {"type": "sql", "dialect": "sqlite", "database": "x.db"}
SELECT = {"type": "sql", "datasource": "d", "sql": "SELECT 1"}
POSTGRESQL = {"type": "sql", "dialect": "postgresql", "host": "h", "database": "x", "username": "u", "ssl": "disable"}
TOO_EARLY = "0001-01-01T00:00:00+14:00"


def selecting(**parameter: Any) -> dict[str, Any]:
    return {**SELECT, "sql": "SELECT :v", "parameters": {"v": parameter}}


def asking(where: str, **parameter: Any) -> dict[str, Any]:
    place: dict[str, Any] = {"path": "/o/{v}"} if where == "path" else {"headers": {"X-V": "{v}"}}
    return {**READS, "connector": "c", **place, "parameters": {"v": {"type": "string", **parameter}}}


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
        ({**SELECT, "sql": "SELECT :v"}, {"type": "database"}, SQL, False),
        ({**SELECT, "sql": "SELECT 'a"}, {"type": "database"}, SQL, False),
        ({**READS, "path": "/{v}", "connector": "c"}, None, API, False),
        (selecting(type="string", default="x" * 2048), {"type": "database"}, {**SQL, "max_result_bytes": 1}, False),
        (selecting(type="string", default="x" * 2048), {"type": "database"}, SQL, True),
        (selecting(type="timestamp", default=TOO_EARLY), {"type": "database"}, POSTGRESQL, False),
        (selecting(type="timestamp", default=TOO_EARLY), {"type": "database"}, SQL, True),
        (selecting(type="array", items="timestamp", default=[TOO_EARLY]), {"type": "database"}, POSTGRESQL, False),
        (selecting(type="array", items="timestamp", enum=[TOO_EARLY]), {"type": "database"}, POSTGRESQL, False),
        (asking("path", default=".."), None, API, False),
        (asking("path", nullable=True), None, API, False),
        (asking("path", default="."), None, API, False),
        (asking("path", default="..."), None, API, True),
        (asking("header", default="ü"), None, API, False),
        (asking("header", nullable=True, enum=["u", "ü"]), None, API, False),
        (asking("header", nullable=True), None, API, True),
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


@pytest.mark.parametrize("claim", [2**63, -(2**63) - 1])
def test_a_claim_that_the_dialect_can_not_take_is_no_call(db: Db, folder: Path, claim: int) -> None:
    """Nobody could give another value: such a caller is listed no tool, and its call is denied instead of refused as its mistake."""

    async def work(world: World) -> None:
        good, bad = (Caller("acme", "bot", claims={"number": one}) for one in (5, claim))
        assert [*world.mediator.tools(good)] == ["add", "top"]
        assert [*world.mediator.tools(bad)] == ["add"]
        assert (await refused(world, bad, TOP, {})).code == "not-found"
        assert (await world.evidence())[0]["reason"] == "claim-missing"
        await world.mediator.access(good, TOP, {})

    document = copy.deepcopy(WORLD)
    document["templates"]["top"]["parameters"]["region"] = {"type": "integer", "from": "claims.number"}
    in_world(db, folder, work, document)


@pytest.mark.parametrize(
    ("template", "field"),
    [
        (selecting(type="timestamp", default=TOO_EARLY), "default"),
        (selecting(type="timestamp", enum=[TOO_EARLY]), "enum"),
        (asking("path", default=".."), "default"),
        (asking("path", nullable=True), "nullable"),
        (asking("header", enum=["u", "ü"]), "enum"),
    ],
)
def test_validate_says_what_can_not_be_sent(folder: Path, template: Any, field: str) -> None:
    is_sql = template["type"] == "sql"
    document = {
        "version": 1,
        "tenant": "acme",
        "connectors": {"c": POSTGRESQL if is_sql else API},
        "datasources": {"d": {"type": "database", "connector": "c"}} if is_sql else {},
        "templates": {"t": template},
    }
    (folder / "acme.yaml").write_text(yaml.safe_dump(document))
    ran = cli("validate", cwd=folder)
    assert ran.code == 3
    assert "parameter-mismatch" in ran.text
    assert f" {field}:" in ran.text or field == "enum"
    assert "acme/connector/c can't take this value" in ran.text

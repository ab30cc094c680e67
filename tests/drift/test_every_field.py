"""Each field of each kind, changed by plain SQL one at a time, is reported with its exact path and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply.execute import execute
from reconciler.apply.terms import Terms
from reconciler.drift.find import find_drift
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import leaves, put
from reconciler.model.configuration import Configuration
from reconciler.model.drift import Drift
from reconciler.model.plan import Selection
from reconciler.model.resource import resource_of
from reconciler.model.spec import Spec
from reconciler.planner.make import Setting, make_plan
from reconciler.store.reading import read_live
from reconciler.store.url import Database, parse_database
from tests.conftest import Db
from tests.kinds.support import MINIMAL
from tests.properties.strategies import EXAMPLES

TODAY = date(2026, 1, 1)
RULES = Configuration("shop", None, {})


def configuration() -> Configuration:
    """One resource of every variant, with whatever it refers to."""
    resources = {}
    for (kind, variant), body in MINIMAL.items():
        address = Address("acme", kind, (variant or "it").replace("_", "-"))
        spec = parse(KINDS[kind], body, address)
        assert isinstance(spec, Spec)
        resources[address] = resource_of(address, spec)
    named = {r.address for a, x in resources.items() for r in KINDS[a.kind].references_of("acme", x.body)}
    for address in sorted(named - resources.keys()):
        body = MINIMAL[(address.kind, {"connector": "custom", "datasource": "custom", "template": "sql"}[address.kind])]
        spec = parse(KINDS[address.kind], body, address)
        assert isinstance(spec, Spec)
        resources[address] = resource_of(address, spec)
    return Configuration("shop", None, dict(sorted(resources.items())), external=frozenset({"connector/thing"}))


@pytest.fixture
def applied(db: Db, tmp_path: Path) -> tuple[Database, Configuration]:
    database, wanted = parse_database(db.url, tmp_path), configuration()
    live = read_live(database, "shop", {"acme"})
    plan = make_plan(wanted, live, Setting("x", TODAY, "1"))
    execute(plan, database, Terms("tester"))
    return database, wanted


def drift(database: Database) -> Drift:
    return find_drift(RULES, read_live(database, "shop"), TODAY, Selection())


def others(value: Any) -> Any:
    """Another value of the same JSON type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, list):
        return [*value, "x"]
    return {"x": "y"}


def changes(wanted: Configuration) -> Iterator[tuple[Address, tuple[str | int, ...], Any]]:
    for address, resource in wanted.resources.items():
        for path, value in leaves(resource.body):
            yield address, path, put(resource.body, path, others(value))


def test_each_field_is_reported_exactly(db: Db, applied: tuple[Database, Configuration]) -> None:
    database, wanted = applied
    sql = "UPDATE resources SET spec = ? WHERE tenant = ? AND kind = ? AND name = ?"
    count = 0
    for address, path, body in changes(wanted):
        db.sql(sql, [json.dumps(body), *address])
        (finding,) = drift(database).findings
        found = [field.path for field in finding.fields]
        # a map that was empty has its first entry below it
        assert (finding.address, finding.op) == (address, "changed")
        assert found in ([path], [(*path, "x")])
        assert finding.touch.by != "tester"
        db.sql(sql, [json.dumps(wanted.resources[address].body), *address])
        count += 1
    assert count > 250
    assert drift(database).findings == ()


def test_clean_runs_report_nothing(applied: tuple[Database, Configuration]) -> None:
    database, wanted = applied
    for _ in range(round(1000 * EXAMPLES)):
        found = drift(database)
        assert found.findings == ()
        assert found.clean == len(wanted.resources)


def test_created_and_deleted_are_findings_of_their_own(db: Db, applied: tuple[Database, Configuration]) -> None:
    database, _ = applied
    db.sql("DELETE FROM resources WHERE kind = 'limit'")
    db.sql(
        "INSERT INTO resources (tenant, kind, name, spec) VALUES ('acme', 'limit', 'hand', ?)",
        ['{"target": "tenant", "concurrent": 1}'],
    )
    found = drift(database)
    assert [(str(f.address), f.op) for f in found.findings] == [
        ("acme/limit/hand", "created"),
        ("acme/limit/it", "deleted"),
    ]
    assert found.counts() == {"acme": {"limit": {"created": 1, "deleted": 1}}}

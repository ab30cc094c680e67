"""Events at 80 and 95% of a limit, once a window and from one of several servers; and of what was billed too much."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from reconciler.access.snapshot import snapshot_of
from reconciler.model.known import Known, Text
from reconciler.model.notification import INCIDENT, LIMIT
from reconciler.model.price import PICO
from reconciler.runtime.ledger.entries import Level
from reconciler.runtime.ledger.ledger import Ledger
from reconciler.runtime.ledger.limit_marks import tell
from reconciler.runtime.limits import declared
from tests.conftest import Db
from tests.planner.support import at, resource
from tests.runtime.ledger.support import intent, store_of, with_ledger
from tests.runtime.test_outbox import hook

HOOKS = (hook("http://127.0.0.1:1/", LIMIT, INCIDENT),)


def levels_of(**limits: dict[str, Any]) -> list[Level]:
    bodies = {f"limit/{name}": body for name, body in limits.items()}
    known = (
        Known(at(name), f"u-{name}", Text(resource(name, raw).text, 1), "shop", True) for name, raw in bodies.items()
    )
    return declared(snapshot_of(known).tenant("acme"))


def use(db: Db, level: Level, n: int) -> None:
    """Let so much of a level be used now."""

    async def work(ledger: Ledger) -> None:
        await ledger.admit(intent(levels=(level._replace(unit="requests", cap=10**9),)))
        db.sql(f"UPDATE counters SET n = {n}, unit = '{level.unit}' WHERE unit = 'requests'")

    with_ledger(db, work)


def told(db: Db) -> list[dict[str, Any]]:
    return [json.loads(event)["data"] for (event,) in db.sql("SELECT event FROM outbox ORDER BY at, id")]


@pytest.mark.parametrize("per", ["minute", "hour", "day", "month"])
def test_each_share_is_told_once(db: Db, per: str) -> None:
    world = levels_of(one={"target": "tenant", "per": per, "requests": 100})
    (level,) = world
    use(db, level, 79)
    assert tell(store_of(db), world, HOOKS) == 0
    for n, expected in ((80, 1), (94, 0), (95, 1), (100, 0)):
        db.sql(f"UPDATE counters SET n = {n}")
        with ThreadPoolExecutor(2) as servers:
            found = [*servers.map(lambda _: tell(store_of(db), world, HOOKS), range(2))]
        assert sum(found) == expected, (n, found)
    assert [one["percent"] for one in told(db)] == [80, 95]
    assert (told(db)[0]["used"], told(db)[0]["limit"], told(db)[0]["unit"]) == (80, 100, "requests")
    assert f"acme: 95% of requests per {per} of tenant are used: 95 of 100" in {one["summary"] for one in told(db)}


def test_a_limit_that_passes_both_at_once_is_told_of_once(db: Db) -> None:
    world = levels_of(one={"target": "tenant", "per": "day", "cost_usd": "2"})
    (level,) = world
    use(db, level, 2 * PICO)
    assert [tell(store_of(db), world, HOOKS) for _ in range(2)] == [1, 0]
    (one,) = told(db)
    assert (one["percent"], one["unit"], one["used"], one["limit"]) == (95, "cost_usd", 2.0, 2.0)
    # a limit that was raised is another budget
    raised = levels_of(one={"target": "tenant", "per": "day", "cost_usd": "2.4"})
    assert [tell(store_of(db), raised, HOOKS) for _ in range(2)] == [1, 0]
    assert told(db)[-1]["percent"] == 80


def test_seconds_slots_and_limits_of_nothing_are_left_out(db: Db) -> None:
    world = levels_of(
        one={"target": "tenant", "per": "second", "requests": 1},
        two={"target": "tenant", "concurrent": 1},
        three={"target": "tenant", "per": "day", "requests": 0},
    )
    use(db, Level("acme", "tenant", "requests", "day", 1), 1)
    assert tell(store_of(db), world, HOOKS) == 0


def test_nobody_is_told_who_did_not_ask(db: Db) -> None:
    world = levels_of(one={"target": "tenant", "per": "day", "requests": 1})
    use(db, Level("acme", "tenant", "requests", "day", 1), 1)
    assert tell(store_of(db), world, (hook("http://127.0.0.1:1/", "health"),)) == 0
    assert tell(store_of(db), world, ()) == 0
    assert tell(store_of(db), world, (hook("http://127.0.0.1:1/", INCIDENT),)) == 0
    assert told(db) == []


def test_what_was_billed_too_much_is_an_incident(db: Db) -> None:
    use(db, Level("acme", "tenant", "requests", "day", 1), 1)
    db.sql(
        "INSERT INTO overshoots (call, number, tenant, uid, integration, model, at, tokens, tokens_held, cost, cost_held, acknowledged_by) "
        "VALUES ('c1', 1, 'acme', 'u', 'integration/openai', 'm', 5, 50, 40, 0, 0, '')"
    )
    for _ in range(2):
        tell(store_of(db), levels_of(), HOOKS)
    (one,) = told(db)
    assert (one["address"], one["evidence_id"], one["tokens"], one["tokens_reserved"]) == (
        "acme/integration/openai",
        "c1",
        50,
        40,
    )
    assert "billed 50 tokens" in one["summary"]

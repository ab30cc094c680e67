"""Usage summed up on both databases: as a plain sum in Python says, percentiles too."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from reconciler.model.price import PICO
from reconciler.runtime.ledger.ledger import Ledger
from reconciler.runtime.ledger.overshoots import acknowledge, overshoots
from reconciler.runtime.ledger.usage_rows import UsageRow
from reconciler.runtime.ledger.usage_sums import BY, PERCENTS, Asked, By, usage_sums
from reconciler.store.url import parse_database
from tests.conftest import Db, new_postgres_database
from tests.runtime.ledger.support import intent, store_of, with_ledger


def rows(seed: int = 7, n: int = 200) -> list[UsageRow]:
    pick = random.Random(seed)
    return [
        UsageRow(
            *(
                pick.choice(["acme", "globex"]),
                pick.choice(["metered", "reported"]),
                pick.choice(["bot", "ann"]),
                f"c{number}",
            ),
            *(
                pick.choice(["", "route/fast"]),
                pick.choice(["integration/a", "integration/b"]),
                pick.choice(["", "openai"]),
                "m",
            ),
            tokens_in=pick.randrange(1000),
            cached=pick.randrange(10),
            tokens_out=pick.randrange(1000),
            cost=pick.choice([None, pick.randrange(2**62)]),
            kept_cost=pick.randrange(2**62),
            latency_ms=pick.randrange(1000),
            first_ms=pick.choice([None, pick.randrange(100)]),
            error=pick.choice(["", "timeout"]),
        )
        for number in range(n)
    ]


def key_of(one: UsageRow, by: By, day: str) -> str:
    model = f"{one.provider}/{one.model}" if one.provider else one.model
    return {
        "caller": one.caller,
        "model": model,
        "route": one.route or one.integration,
        "integration": one.integration,
        "day": day,
    }[by]


def rank(values: list[int]) -> dict[str, int]:
    ordered = sorted(values)
    return {f"p{one}": ordered[-(-len(ordered) * one // 100) - 1] for one in PERCENTS} if ordered else {}


@pytest.fixture
def filled(db: Db) -> list[UsageRow]:
    made = rows()

    async def work(ledger: Ledger) -> None:
        await ledger.write_usage(made)

    with_ledger(db, work)
    return made


@pytest.mark.parametrize("by", BY)
def test_sums_are_those_of_the_rows(db: Db, filled: list[UsageRow], by: By) -> None:
    (day,) = {one["key"] for one in usage_sums(store_of(db), Asked("day"))}
    groups: dict[tuple[str, str, str], list[UsageRow]] = defaultdict(list)
    for one in filled:
        groups[one.tenant, key_of(one, by, day), one.source].append(one)
    found = {(one["tenant"], one["key"], one["source"]): one for one in usage_sums(store_of(db), Asked(by))}
    assert found.keys() == groups.keys()
    for group, members in groups.items():
        one: Any = found[group]
        assert (one["calls"], one["failed"]) == (len(members), sum(member.error != "" for member in members))
        for name in ("tokens_in", "cached", "tokens_out"):
            assert one[name] == sum(getattr(member, name) for member in members)
        assert one["cost_usd"] == sum(member.cost or 0 for member in members) / PICO
        assert one["kept_cost_usd"] == sum(member.kept_cost for member in members) / PICO
        assert one["last_minute"] == len(members)
        assert one["unpriced"] == sum(member.cost is None for member in members)
        assert one["latency_ms"] == rank([member.latency_ms for member in members])
        assert one["first_ms"] == rank([member.first_ms for member in members if member.first_ms is not None])


def test_a_reader_sees_one_tenant(postgres_server: str) -> None:
    db = Db(new_postgres_database(postgres_server))

    async def work(ledger: Ledger) -> None:
        await ledger.write_usage(rows(n=50))

    with_ledger(db, work)
    db.sql("DO $$ BEGIN CREATE ROLE usage_watcher LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    db.sql("GRANT SELECT ON runtime_schema, usage, reservations, overshoots, limit_marks TO usage_watcher")
    parts = conninfo_to_dict(db.url)
    reader = parse_database(f"postgresql://usage_watcher@/{parts['dbname']}?host={parts['host']}", Path("/"))
    assert usage_sums(reader, Asked("caller")) == []
    assert {one["tenant"] for one in usage_sums(reader, Asked("caller", ("acme",)))} == {"acme"}
    db.sql("DROP OWNED BY usage_watcher")


def test_what_is_older_than_evidence_is_removed(db: Db, filled: list[UsageRow]) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.admit(intent())
        db.sql("UPDATE usage SET at = at - 1000 WHERE tenant = 'acme'")
        await ledger._backend.sweep(10.0, 500.0)

    with_ledger(db, work)
    assert db.sql("SELECT DISTINCT tenant FROM usage") == [("globex",)]


def test_it_is_narrowed(db: Db, filled: list[UsageRow]) -> None:
    def calls(asked: Asked) -> int:
        return sum(one["calls"] for one in usage_sums(store_of(db), asked))

    of_acme = [one for one in filled if one.tenant == "acme"]
    assert calls(Asked("day", ("acme",))) == len(of_acme)
    assert calls(Asked("day", ("acme",), caller="ann")) == sum(one.caller == "ann" for one in of_acme)
    assert calls(Asked("day", since=4e9)) == calls(Asked("day", until=1.0)) == 0
    assert calls(Asked("day", ("acme", "globex"))) == len(filled)


def test_what_was_billed_too_much_waits_for_somebody(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.admit(intent())
        for tenant, name, call in (("acme", "a", "1"), ("acme", "a", "2"), ("acme", "b", "3"), ("globex", "a", "4")):
            db.sql(
                "INSERT INTO overshoots (call, number, tenant, uid, integration, model, at, tokens, tokens_held, cost, cost_held, "
                f"acknowledged_by) VALUES ('{call}', 1, '{tenant}', 'u', 'integration/{name}', 'm', {call}, 5, 4, {PICO}, 0, '')"
            )

    with_ledger(db, work)
    store = store_of(db)
    assert [one["evidence_id"] for one in overshoots(store)] == ["4", "3", "2", "1"]
    assert [one["evidence_id"] for one in overshoots(store, ("acme",))] == ["3", "2", "1"]
    assert overshoots(store)[0]["cost_usd"] == 1.0
    assert [acknowledge(store, "acme", "integration/a", "ann") for _ in range(2)] == [2, 0]
    assert [one["evidence_id"] for one in overshoots(store)] == ["4", "3"]
    assert db.sql("SELECT DISTINCT acknowledged_by FROM overshoots WHERE acknowledged > 0") == [("ann",)]

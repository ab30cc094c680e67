"""Closed hours become pairs and days: each once, whoever tries, and the same when they are counted anew."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from reconciler.runtime.ledger import rollup as module
from reconciler.runtime.ledger.hours import HOUR, digests_of, rows_of
from reconciler.runtime.ledger.ledger import Ledger
from reconciler.runtime.ledger.reading import opened
from reconciler.runtime.ledger.rollup import forget, rebuild, roll_up
from reconciler.runtime.ledger.schema import first_id
from tests.conftest import Db
from tests.runtime.ledger.support import denial, done, intent, store_of, with_ledger

FIRST = 480_000
"""An hour of 2024, which is over."""
WHEN = (FIRST * HOUR + 5.0, FIRST * HOUR + 3599.5, (FIRST + 1) * HOUR, (FIRST + 30) * HOUR + 7.0)
DAILY = "SELECT d.day, p.tenant, p.caller, d.result, d.code, sum(d.calls), sum(d.bytes), sum(d.ms) FROM daily d JOIN pairs p ON p.number = d.pair GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"  # fmt: skip


def filled(db: Db, unsettled: bool = False) -> None:
    """Two tenants, three days apart from now: what a server leaves, moved into hours of the past."""
    ids: list[tuple[str, float]] = []

    async def work(ledger: Ledger) -> None:
        for at in WHEN:
            for tenant in ("acme", "globex"):
                one = intent(tenant)
                await ledger.admit(one)
                ids.append((one.id, at))
                if not unsettled or at != WHEN[2]:
                    ledger.settle(
                        done(one, "failure" if at == WHEN[1] else "success", code="x" if at == WHEN[1] else "")
                    )
        for n in range(25):
            refused = denial(target=f"tool/{n % 2}", chain=(), reason="unknown-target", action=f"a{n}")
            ledger.deny(refused)

    with_ledger(db, work)
    ids += [(str(identity).replace("-", ""), WHEN[0]) for (identity,) in db.sql("SELECT id FROM denials")]
    tables = ("intents", "outcomes", "denials", "denial_counts")
    for number, (identity, at) in enumerate(ids):
        moved = first_id(at)[:14] + f"{number:018x}"
        for table in tables:
            extra = f", ends = {at + 9}" if table == "intents" else ""
            db.sql(f"UPDATE {table} SET id = '{moved}', at = {at}{extra} WHERE id = '{identity}'")


def dump(db: Db) -> list[tuple[Any, ...]]:
    return [tuple(map(_plain, row)) for row in db.sql(DAILY)]


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else int(value)


EXPECTED = [
    (20000, "acme", "bot", "denied", "unknown-target", 25, 0, 0),
    (20000, "acme", "bot", "failure", "x", 1, 40, 5),
    (20000, "acme", "bot", "success", "", 2, 80, 10),
    (20000, "globex", "bot", "failure", "x", 1, 40, 5),
    (20000, "globex", "bot", "success", "", 2, 80, 10),
    (20001, "acme", "bot", "success", "", 1, 40, 5),
    (20001, "globex", "bot", "success", "", 1, 40, 5),
]


def test_hours_become_days_once(db: Db) -> None:
    filled(db)
    assert roll_up(store_of(db)) == [FIRST, FIRST + 1, FIRST + 30]
    assert dump(db) == EXPECTED
    assert roll_up(store_of(db)) == []
    assert dump(db) == EXPECTED
    # what callers made up is one pair: neither names nor actions are counted apart
    assert db.sql("SELECT count(*) FROM pairs WHERE path = 0") == [(1,)]
    assert db.sql("SELECT count(*) FROM pairs") == [(3,)]
    assert db.sql("SELECT hour, tenant, calls FROM hours ORDER BY 1, 2") == [
        (FIRST, "acme", 27),
        (FIRST, "globex", 2),
        (FIRST + 1, "acme", 1),
        (FIRST + 1, "globex", 1),
        (FIRST + 30, "acme", 1),
        (FIRST + 30, "globex", 1),
    ]


def test_an_hour_with_a_call_that_runs_is_not_closed(db: Db) -> None:
    filled(db, unsettled=True)
    assert roll_up(store_of(db)) == [FIRST]

    async def sweep(ledger: Ledger) -> None:
        assert await ledger._backend.sweep(10.0, 1e9) == 2

    with_ledger(db, sweep)
    assert roll_up(store_of(db)) == [FIRST + 1, FIRST + 30]
    unknown = [row for row in dump(db) if row[3] == "unknown"]
    assert unknown == [(20000, "acme", "bot", "unknown", "no-outcome", 1, 0, 0), (20000, "globex", "bot", "unknown", "no-outcome", 1, 0, 0)]  # fmt: skip


def test_the_hour_that_runs_is_left(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        one = intent()
        await ledger.admit(one)
        ledger.settle(done(one))

    with_ledger(db, work)
    assert roll_up(store_of(db)) == []


def test_several_that_try_count_once(db: Db) -> None:
    filled(db)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            roll_up(store_of(db))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    roll_up(store_of(db))
    assert not errors
    assert dump(db) == EXPECTED


def test_one_that_dies_in_between_is_gone_on_with(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(db)
    written = module._write_hours

    def dies(connection: Any, hour: int, rows: Any) -> None:
        if hour == FIRST + 1:
            raise KeyboardInterrupt
        written(connection, hour, rows)

    monkeypatch.setattr(module, "_write_hours", dies)
    with pytest.raises(KeyboardInterrupt):
        roll_up(store_of(db))
    monkeypatch.setattr(module, "_write_hours", written)
    assert roll_up(store_of(db)) == [FIRST + 1, FIRST + 30]
    assert dump(db) == EXPECTED


def test_days_are_counted_anew_and_what_is_gone_stays(db: Db) -> None:
    filled(db)
    roll_up(store_of(db))
    db.sql("UPDATE daily SET calls = calls + 100")
    assert rebuild(store_of(db)) == ([20000, 20001], [])
    assert dump(db) == EXPECTED
    db.sql(f"DELETE FROM intents WHERE at < {WHEN[2]}")
    assert rebuild(store_of(db)) == ([20001], [20000])
    assert dump(db) == EXPECTED


def test_aggregates_outlive_evidence_and_end_too(db: Db) -> None:
    filled(db)
    roll_up(store_of(db))
    for table in ("outcomes", "intents", "denial_counts", "denials"):
        db.sql(f"DELETE FROM {table}")
    assert roll_up(store_of(db)) == []
    assert dump(db) == EXPECTED
    forget(store_of(db), 1)
    assert dump(db) == []
    assert db.sql("SELECT count(*) FROM hours") == [(0,)]


def test_digests_say_every_number(db: Db) -> None:
    filled(db)

    def digest() -> dict[str, Any]:
        with opened(store_of(db)) as connection:
            return digests_of(rows_of(connection, FIRST))

    before = digest()
    assert {tenant: one.calls for tenant, one in before.items()} == {"acme": 27, "globex": 2}
    seen = {before["acme"].sha256}
    for change in (
        "UPDATE outcomes SET size = size + 1",
        "UPDATE outcomes SET outcome = 'unknown'",
        "UPDATE outcomes SET duration_ms = 9",
        "UPDATE intents SET policy = 0",
        "UPDATE denials SET reason = 'denied'",
        "UPDATE denial_counts SET n = n + 1",
        "UPDATE subjects SET caller = 'ann'",
        "DELETE FROM denials WHERE target = 'tool/0'",
    ):
        db.sql(change)
        seen.add(digest()["acme"].sha256)
    assert len(seen) == 9

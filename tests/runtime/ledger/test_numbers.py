"""Dictionaries of evidence: one number for one thing on every server, and no row that names what no dictionary has."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconciler.runtime.ledger import numbers
from reconciler.runtime.ledger import postgresql as postgresql_module
from reconciler.runtime.ledger import sqlite as sqlite_module
from reconciler.runtime.ledger.checks import check
from reconciler.runtime.ledger.entries import Policy, Subject
from reconciler.runtime.ledger.ledger import Ledger, Unavailable
from reconciler.runtime.ledger.numbers import Numbers
from reconciler.runtime.ledger.reading import evidence
from tests.conftest import Db
from tests.runtime.ledger.support import CHAIN, denial, done, intent, store_of, with_ledger

BOT = Subject("acme", "bot", "u", "k1", ("crm",))


def test_a_number_says_all_of_it_and_takes_the_stores_key() -> None:
    base = Numbers(b"key").of(BOT)
    others = [BOT._replace(**{field: "other"}) for field in ("tenant", "caller", "uid", "key")]
    others += [BOT._replace(roles=()), BOT._replace(roles=("a", "b"))]
    found = {Numbers(b"key").of(one) for one in others} | {Numbers(b"other").of(BOT)}
    assert len(found | {base}) == 8
    assert Numbers(b"key").of(BOT) == base
    assert all(0 < one < 2**63 for one in found)


def test_it_forgets_before_it_fills_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "MOST_KEPT", 10)
    kept = Numbers(b"key")
    for n in range(25):
        entry = Policy("acme", f"policy/p{n}")
        kept.of(entry)
        kept.remember([entry])
    assert len(kept._numbers) <= 10
    assert kept.fresh([Policy("acme", "policy/p0")])


def test_evidence_tells_who_by_what_through_what(db: Db) -> None:
    call, refused = intent(), denial()
    unknown = denial(target="tool/made-up", chain=(), reason="unknown-target", connector="", project="")

    async def work(ledger: Ledger) -> None:
        for one in (call, intent()):  # the second one finds everything in its dictionaries
            await ledger.admit(one)
            ledger.settle(done(one, "failure", status=503, code="upstream-status", output_hash="ef" * 32))
        ledger.deny(refused)
        ledger.deny(unknown)

    with_ledger(db, work)
    found = {row["id"]: row for row in evidence(store_of(db), ("acme",), 10)}
    path = [{"address": address, "uid": uid} for address, uid in CHAIN]
    who = {"caller": "bot", "key": "k1", "token_roles": ["crm"], "run": "run-1", "action": "query"}
    what = {"path": path, "project": "sales", "target": "template/top", "connector": "connector/warehouse"}
    assert {**found[call.id], **who, **what} == found[call.id]
    more = {
        "status": 503,
        "output_hash": "ef" * 32,
        "value_hash": "ab" * 32,
        "trace": "cd" * 16,
        "policy": "policy/read",
    }
    assert {**found[call.id], **more} == found[call.id]
    assert {**found[refused.id], **who, **what, "reason": "no-policy", "times": 1} == found[refused.id]
    assert {**found[unknown.id], **who, "path": [], "target": "tool/made-up"} == found[unknown.id]
    for table, rows in (("subjects", 1), ("paths", 1), ("policies", 1)):
        assert db.sql(f"SELECT count(*) FROM {table}") == [(rows,)]


def test_it_is_remembered_after_the_commit_only(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first flush fails after it has written the dictionaries: what comes next may not count on them."""

    module = sqlite_module if db.is_sqlite else postgresql_module
    judge, asked = module.judge, list[int]()

    def breaks(*arguments: Any) -> Any:
        asked.append(1)
        if len(asked) == 1:
            raise OSError("gone")
        return judge(*arguments)

    monkeypatch.setattr(module, "judge", breaks)

    async def work(ledger: Ledger) -> None:
        with pytest.raises(Unavailable):
            await ledger.admit(intent())
        async with asyncio.timeout(10):
            while True:
                try:
                    await ledger.admit(one := intent())
                    break
                except Unavailable:
                    await asyncio.sleep(0.1)
        ledger.settle(done(one))

    with_ledger(db, work)
    assert {row["caller"] for row in evidence(store_of(db), (), 10)} == {"bot"}  # one that was late is there too
    assert check(store_of(db)).state == "ok", check(store_of(db)).findings


def test_what_no_dictionary_has_is_found(db: Db) -> None:
    async def work(ledger: Ledger) -> None:
        await ledger.admit(intent())

    with_ledger(db, work)
    db.sql("DELETE FROM paths")
    assert "1 calls name a number that paths does not have" in str(check(store_of(db)).findings)

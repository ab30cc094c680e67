"""Entries of evidence, and a ledger over a real store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from reconciler.runtime.ledger import ledger as module
from reconciler.runtime.ledger.entries import Denial, Intent, Outcome, new_id
from reconciler.runtime.ledger.ledger import Ledger
from reconciler.runtime.parts import backend_of
from reconciler.store.url import Database, parse_database
from tests.conftest import Db

CHAIN = (
    ("acme/template/top", "u-top"),
    ("acme/datasource/sales", "u-sales"),
    ("acme/connector/warehouse", "u-warehouse"),
)


def store_of(db: Db) -> Database:
    return parse_database(db.url, Path("/"))


def intent(tenant: str = "acme", **words: Any) -> Intent:
    whole: dict[str, Any] = {
        "caller": "bot", "run": "run-1", "target": "template/top", "connector": "connector/warehouse", "action": "query",
        "values": "ab" * 32, "policy": "policy/read", "generation": 7, "drifted": False, "seconds": 30.0,
        "caller_uid": "u-bot", "key": "k1", "roles": ("crm",), "project": "sales", "chain": CHAIN, "trace": "cd" * 16,
    }  # fmt: skip
    return Intent(id=new_id(), tenant=tenant, **{**whole, **words})


def denial(tenant: str = "acme", **words: Any) -> Denial:
    whole: dict[str, Any] = {
        "caller": "bot", "target": "template/top", "reason": "no-policy", "policy": "", "generation": 7, "run": "run-1",
        "action": "query", "uid": "u-bot", "key": "k1", "roles": ("crm",), "project": "sales",
        "connector": "connector/warehouse", "chain": CHAIN,
    }  # fmt: skip
    return Denial(id=new_id(), tenant=tenant, **{**whole, **words})


def done(one: Intent, outcome: str = "success", **words: Any) -> Outcome:
    return Outcome(**{"id": one.id, "outcome": outcome, "rows": 2, "size": 40, "duration_ms": 5, **words})


def with_ledger(db: Db, work: Callable[[Ledger], Awaitable[None]]) -> None:
    """Run a ledger whose intents may take their time: a busy machine is not what these tests are about."""

    async def main() -> None:
        ledger = Ledger(backend_of(store_of(db)), 1e9)
        await ledger.values_key()
        ledger.start()
        try:
            await work(ledger)
        finally:
            await ledger.close()

    with patch.object(module, "WAIT_SECONDS", 20.0):
        asyncio.run(main())

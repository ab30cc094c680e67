"""Approvals used, and given back, in a transaction of PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.runtime.ledger.entries import Intent
from reconciler.runtime.ledger.judge import JudgedBatch
from reconciler.runtime.ledger.uses import GIVE_BACK, USE, Used, waiting, without


async def use_approvals(connection: Any, intents: Sequence[Intent], now: float) -> Used:
    """Spend the approvals of calls; return the calls that still may run, and those that may not."""
    refused = [
        one.id
        for one in waiting(intents)
        if one.use and await connection.execute(USE["postgresql"], one.id, *one.use, now) != "UPDATE 1"
    ]
    return without(intents, refused)


async def give_back(connection: Any, intents: Sequence[Intent], judged: JudgedBatch) -> None:
    """Give back the approvals of calls that a limit refuses."""
    for one in waiting(intents):
        if one.use and one.id in judged.refused:
            await connection.execute(GIVE_BACK["postgresql"], one.use.id, one.id)

"""Many that ask one limit at once: how many are admitted, and how many refused.

    python -m tests.campaigns.admissions --url URL --tasks N --calls N

The limit is 100 requests of a tenant, a caller and a template each. Start it as often as there are to be processes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from reconciler.runtime.ledger import ledger as module
from reconciler.runtime.ledger.entries import Intent, Level, Outcome, new_id
from reconciler.runtime.ledger.ledger import Admitted, Ledger, Unavailable
from reconciler.runtime.parts import backend_of
from reconciler.store.url import parse_database

LIMIT = 100
TARGETS = ("tenant", "caller/bot", "template/t")


async def ask(url: str, tasks: int, calls: int) -> dict[str, int]:
    ledger = Ledger(backend_of(parse_database(url, Path("/"))), 1e9)
    ledger.start()
    levels = tuple(Level("acme", target, "requests", "month", LIMIT) for target in TARGETS)
    counted = {"admitted": 0, "refused": 0, "unavailable": 0}

    async def one() -> None:
        asked = 0
        while asked < calls:
            intent = Intent(
                new_id(), "acme", "bot", "", "template/t", "connector/w", "query", "h", "p", 1, False, 30.0, levels
            )
            try:
                answer = await ledger.admit(intent)
            except Unavailable:
                counted["unavailable"] += 1
                await asyncio.sleep(0.01)
                continue
            asked += 1
            counted["admitted" if isinstance(answer, Admitted) else "refused"] += 1
            if isinstance(answer, Admitted):
                ledger.settle(Outcome(intent.id, "success", 1, 1, 1))

    await asyncio.gather(*(one() for _ in range(tasks)))
    await ledger.close()
    return counted


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--calls", type=int, default=10)
    given = parser.parse_args()
    # processes that wait for each other's locks may be late; that is not what is counted here
    module.WAIT_SECONDS = 30.0
    print(json.dumps(asyncio.run(ask(given.url, given.tasks, given.calls))))

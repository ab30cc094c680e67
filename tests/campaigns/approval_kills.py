"""Kills a server again and again between approval and use: nothing that was approved once is done twice.

    python -m tests.campaigns.approval_kills --rounds 100 --url sqlite:////tmp/x/state.db --folder /tmp/x

A round starts `serve`, asks for calls of an API that writes, approves them, and redeems each twice at the same time, while
SIGKILL comes at a random moment, or at a failpoint that is passed for the n-th time. Later rounds redeem everything again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from reconciler.failpoints import SERVE_NAMES
from reconciler.runtime.ledger.approvals import listed
from reconciler.runtime.ledger.decisions import Decider, Verdict, settle_request
from reconciler.secrets.keys import create_keys
from reconciler.store.url import Database, parse_database
from tests.campaigns.serve_kills import Receiver, world
from tests.conftest import Db
from tests.runtime.servers import free_port, settings, start
from tests.runtime.worlds import apply
from tests.store.support import cli_on

CALLS = 6
LEAD = Decider("ann", frozenset({"lead"}))


def under_approval(port: int) -> dict[str, Any]:
    document = world(port)
    document["policies"]["all"]["approval"] = {"roles": ["lead"], "use_within_minutes": 600}
    return document


async def asked(client: httpx.AsyncClient, name: str) -> str:
    answer = await client.post("/v1/tools/send/call", json={"arguments": {"id": name}})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["approval_id"])


async def redeemed(client: httpx.AsyncClient, identity: str) -> str:
    """What came of it; "lost" where nobody answered."""
    try:
        answer = await client.post(f"/v1/approvals/{identity}/call")
    except httpx.HTTPError:
        return "lost"
    return "done" if answer.status_code == 200 else str(answer.json()["code"])


async def one_round(base: str, key: str, store: Database, names: list[str], known: list[str]) -> Counter[str]:
    """Ask, approve, and redeem: what is new, and all that is known."""
    async with httpx.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {key}"}, timeout=5) as client:
        try:
            for name in names:
                identity = await asked(client, name)
                await asyncio.to_thread(settle_request, store, identity, (), LEAD, Verdict(True, "a test"))
                known.append(identity)
        except httpx.HTTPError:
            pass
        return Counter(await asyncio.gather(*(redeemed(client, one) for one in [*known, *known])))


def campaign(db: Db, folder: Path, rounds: int, seed: int) -> dict[str, Any]:
    chosen, receiver = random.Random(seed), Receiver()
    apply(db, folder, under_approval(receiver.port))
    key = cli_on(db.url, folder)("keys", "issue", "acme/bot").ok().out.strip()
    file = folder / "keys.json"
    create_keys(file)
    agents, operators = free_port(), free_port()
    settings(folder, agents, operators)
    store = parse_database(f"sqlite:///{folder}/runtime.db", Path("/"))
    came, known = Counter[str](), list[str]()
    for number in range(rounds):
        point = (*SERVE_NAMES, None)[number % 4]
        env = {"RECONCILER_FAILPOINT": f"{point}:kill:{chosen.randint(1, CALLS)}"} if point else {}
        process = start(folder, db, agents, operators, {**env, "RECONCILER_KEY_FILE": str(file)})
        timer = threading.Timer(chosen.uniform(0.1, 1.0), lambda p=process: os.killpg(p.pid, signal.SIGKILL))  # type: ignore[misc]
        if point is None:
            timer.start()
        names = [f"r{number}-{call}" for call in range(CALLS)]
        came += asyncio.run(one_round(f"http://127.0.0.1:{agents}", key, store, names, known))
        timer.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
    receiver.server.shutdown()
    return {
        "seen": len(receiver.seen),
        "seen_twice": sorted(name for name, count in Counter(receiver.seen).items() if count > 1),
        "states": dict(Counter(one.state for one in listed(store, ("acme",), 1000))),
        "came": dict(came),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps(campaign(Db(given.url), given.folder, given.rounds, given.seed), indent=2))

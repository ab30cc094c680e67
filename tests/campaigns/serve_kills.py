"""Kills a server again and again while agents call: what the receiver saw has to be in evidence, and nothing twice.

    python -m tests.campaigns.serve_kills --rounds 500 --url sqlite:////tmp/x/state.db --folder /tmp/x

A round starts `serve`, lets eight agents call an API that writes, and ends it by SIGKILL: at a random moment, or at a
failpoint (`after_intent`, `after_effect`, `before_outcome`) that is passed for the n-th time. Agents who got no answer
send the same again, with the same Idempotency-Key, once there is a server again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, count
from pathlib import Path
from typing import Any

import httpx

from reconciler.failpoints import SERVE_NAMES
from tests.conftest import Db
from tests.runtime.servers import free_port, settings, start
from tests.runtime.worlds import apply
from tests.store.support import cli_on

AGENTS = 8


class Receiver:
    """An API that writes down what it was asked."""

    def __init__(self) -> None:
        seen: list[str] = []
        self.seen = seen

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                seen.append(self.path.rpartition("/")[2])
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                return None

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                """Whoever asked was killed: that is what this is for."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def world(port: int) -> dict[str, Any]:
    exception = [{"cidr": "127.0.0.0/8", "port": port}]
    return {
        "version": 1,
        "tenant": "acme",
        "connectors": {
            "api": {
                "type": "http",
                "base_url": f"http://127.0.0.1:{port}",
                "allowed_methods": ["POST"],
                "network_exceptions": exception,
                "rate_limit": 1_000_000,
            }
        },
        "templates": {
            "send": {
                "type": "http",
                "connector": "api",
                "method": "POST",
                "path": "/orders/{id}",
                "timeout_seconds": 1,
                "parameters": {"id": {"type": "string"}},
            }
        },
        "callers": {"bot": {"auth": {"api_key": {"max_age_days": 9}}}},
        "policies": {"all": {"effect": "allow", "subjects": "any", "actions": "any", "targets": "any"}},
        "limits": {"slots": {"target": "connector/api", "concurrent": 4}},
    }


async def calling(
    base: str, key: str, prefix: str, seconds: float, lost: list[str], seen: Sequence[str]
) -> Counter[str]:
    """Call until the server is gone, or for ``seconds`` and, on a slow machine, until ``seen`` holds something.

    Each call has a name of its own, as its value, its run and its Idempotency-Key.
    ``lost`` are the calls that got no answer; those of before are sent again first, and what they are told is counted.
    """
    ends = time.monotonic() + seconds
    repeated, told = [*lost], Counter[str]()
    lost.clear()

    async def agent(number: int) -> None:
        async with httpx.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {key}"}, timeout=5) as client:
            names = (f"{prefix}-{number}-{call}" for call in count())
            for name in chain(repeated[number::AGENTS], names):
                now = time.monotonic()
                if now > ends and (seen or now > ends + 10 * seconds):
                    return
                try:
                    answer = await client.post(
                        "/v1/tools/send/call",
                        json={"arguments": {"id": name}},
                        headers={"X-Run-Id": name, "Idempotency-Key": name},
                    )
                except httpx.HTTPError:
                    lost.append(name)
                    return
                if name in repeated:
                    done = "replayed" if "Idempotency-Replayed" in answer.headers else "done"
                    told[done if answer.status_code == 200 else answer.json()["code"]] += 1

    await asyncio.gather(*(agent(number) for number in range(AGENTS)))
    return told


def campaign(db: Db, folder: Path, rounds: int, seed: int) -> dict[str, Any]:
    chosen = random.Random(seed)
    receiver = Receiver()
    apply(db, folder, world(receiver.port))
    key = cli_on(db.url, folder)("keys", "issue", "acme/bot").ok().out.strip()
    agents, operators = free_port(), free_port()
    settings(folder, agents, operators)
    ended, repeats = Counter[str](), Counter[str]()
    lost: list[str] = []
    for number in range(rounds):
        point = (None, *SERVE_NAMES)[number % 4]
        env = {"RECONCILER_FAILPOINT": f"{point}:kill:{chosen.randint(1, 60)}"} if point else {}
        process = start(folder, db, agents, operators, env)
        timer = threading.Timer(chosen.uniform(0.05, 0.6), lambda p=process: os.killpg(p.pid, signal.SIGKILL))  # type: ignore[misc]
        if point is None:
            timer.start()
        repeats += asyncio.run(calling(f"http://127.0.0.1:{agents}", key, f"r{number}", 3.0, lost, receiver.seen))
        if process.poll() is None and point is not None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
        timer.cancel()
        ended[point or "random"] += 1
    time.sleep(7.0)  # a call that began at the last moment is over by then
    return {**_judged(folder, receiver, ended), "repeats": dict(repeats)}


def _judged(folder: Path, receiver: Receiver, ended: Counter[str]) -> dict[str, Any]:
    from reconciler.runtime.ledger.reading import evidence
    from reconciler.store.url import parse_database

    receiver.server.shutdown()
    store = folder / "runtime.db"
    with closing(sqlite3.connect(store)) as connection:
        runs = {run for (run,) in connection.execute("SELECT run FROM intents")}
        slots = connection.execute("SELECT count(*) FROM slots WHERE ends > unixepoch('subsec') + 1").fetchone()[0]
    told = Counter(
        one["outcome"]
        for one in evidence(parse_database(f"sqlite:///{store}", Path("/")), ("acme",), 10**6)
        if one["decision"] == "allow"
    )
    return {
        "ended": dict(ended),
        "seen": len(receiver.seen),
        "intents": len(runs),
        "seen_without_intent": sorted({*receiver.seen} - runs)[:10],
        "seen_twice": sorted(name for name, count in Counter(receiver.seen).items() if count > 1)[:10],
        "outcomes": dict(told),
        "slots": slots,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps(campaign(Db(given.url), given.folder, given.rounds, given.seed), indent=2))

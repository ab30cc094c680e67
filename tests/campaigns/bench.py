"""A database that can be put back to where it was, read whole, and compared; and applies in forked processes."""

from __future__ import annotations

import gc
import json
import os
import select
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from reconciler import failpoints
from reconciler.apply.execute import execute
from reconciler.apply.terms import Approval, Terms
from reconciler.errors import ReconcilerError
from reconciler.guards.check import Allowances
from reconciler.model.plan import Plan
from reconciler.plan.file import read_plan
from reconciler.store.url import Database, parse_database

COMPARED = (
    "resources",
    "applied",
    "generations",
    "changes",
    "projects",
    "tombstones",
    "statuses",
    "audit",
    "audit_head",
)
UNLIKE = {"created_at", "changed_at", "deleted_at", "at", "apply_id", "locked_by", "row_version", "body", "hash"}
"""Columns that two applies can't have in common: moments, ids, drawn numbers and what is computed from them."""
Dump = dict[str, list[dict[str, Any]]]


class SqliteBench:
    """A SQLite file and the copy that it is put back from."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.path = Path(url.removeprefix("sqlite:///"))
        self._saved = self.path.with_suffix(".saved")

    def sql(self, statement: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path, timeout=30)) as connection:
            cursor = connection.execute(statement)
            names = [column[0] for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
            connection.commit()
            return rows

    def save(self) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copyfile(self.path, self._saved)

    def restore(self) -> None:
        self.clear()
        shutil.copyfile(self._saved, self.path)

    def clear(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def settle(self) -> None:
        """Nothing of a dead process goes on."""

    def damage(self) -> list[str]:
        found = [row["integrity_check"] for row in self.sql("PRAGMA integrity_check")]
        wrong = [] if found == ["ok"] else [f"integrity_check: {found}"]
        if self.has_tables():
            wrong += [f"foreign_key_check: {row}" for row in self.sql("PRAGMA foreign_key_check")]
            if self.sql("SELECT * FROM writer"):
                wrong.append("a row is left in `writer`")
        return wrong

    def has_tables(self) -> bool:
        return self.path.exists() and bool(self.sql("SELECT 1 FROM sqlite_master WHERE name = 'resources'"))

    def announcements(self) -> int:
        return len(self.sql("SELECT * FROM announcements"))


class PostgresBench:
    """A PostgreSQL database, and a second schema in it that holds what it is put back from."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = psycopg.connect(url, autocommit=True)
        name = self.sql("SELECT current_database() AS name")[0]["name"]
        self.sql(f"ALTER DATABASE {name} SET synchronous_commit = off")  # clients are killed here, not the server

    def sql(self, statement: str) -> list[dict[str, Any]]:
        cursor = self._connection.execute(statement)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor] if names else []

    def save(self) -> None:
        self.sql("CREATE SCHEMA saved")
        for table in (*COMPARED, "announcements"):
            self.sql(f"CREATE TABLE saved.{table} AS TABLE {table}")

    def restore(self) -> None:
        with self._connection.transaction():
            self.sql("SET LOCAL session_replication_role = replica")
            for table in COMPARED:
                self.sql(f"DELETE FROM {table}")
                self.sql(f"INSERT INTO {table} SELECT * FROM saved.{table}")

    def clear(self) -> None:
        self.sql("DROP SCHEMA IF EXISTS public CASCADE")
        self.sql("CREATE SCHEMA public")

    def settle(self) -> None:
        """Waits until the server has noticed that a client is dead."""
        others = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        deadline = time.monotonic() + 10
        while self.sql(f"{others} AND backend_type = 'client backend'") and time.monotonic() < deadline:
            time.sleep(0.002)

    def damage(self) -> list[str]:
        return []

    def has_tables(self) -> bool:
        return bool(self.sql("SELECT to_regclass('public.resources') IS NOT NULL AS found")[0]["found"])

    def announcements(self) -> int:
        return 0


Bench = SqliteBench | PostgresBench


def bench(url: str) -> Bench:
    return SqliteBench(url) if url.startswith("sqlite") else PostgresBench(url)


def dump(of: Bench) -> Dump:
    """Every row of every table that an apply writes, as it stands."""
    return {table: sorted(of.sql(f"SELECT * FROM {table}"), key=str) for table in COMPARED}


def comparable(state: Dump, before: Dump) -> Dump:
    """The same without UNLIKE and without the ids of new rows."""
    known = {row["uid"] for row in before["resources"]} | {row["uid"] for row in before["applied"]}
    return {
        table: sorted(
            (
                {
                    key: "(new)" if key == "uid" and value not in known else value
                    for key, value in row.items()
                    if key not in UNLIKE
                }
                for row in rows
            ),
            key=str,
        )
        for table, rows in state.items()
    }


@dataclass(frozen=True)
class Ended:
    """How a forked apply ended; ``signal`` is set if it was killed."""

    seconds: float
    signal: int
    answer: dict[str, Any]


def terms(lock_timeout: float = 5.0, actor: str = "campaign") -> Terms:
    return Terms(
        actor=actor,
        approval=Approval(unattended=True, saved=True),
        allowed=Allowances(100, True, True, True),
        lock_timeout=lock_timeout,
    )


def load(plan: Path, url: str) -> tuple[Plan, Database]:
    return read_plan(plan), parse_database(url, Path("/"))


def fork(work: Callable[[], dict[str, Any]], kill_after: float | None = None, failpoint: str = "") -> Ended:
    """Runs ``work`` in a process of its own; kills it after some seconds, if it still runs."""
    read_end, write_end = os.pipe()
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        _child(work, write_end, failpoint)
    os.close(write_end)
    try:
        if kill_after is not None:
            select.select([read_end], [], [], max(0.0, started + kill_after - time.monotonic()))
            os.kill(pid, signal.SIGKILL)
        with os.fdopen(read_end) as answers:
            answer = answers.read()
    finally:
        _, status = os.waitpid(pid, 0)
    killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return Ended(time.monotonic() - started, killed, json.loads(answer) if answer else {})


def _child(work: Callable[[], dict[str, Any]], write_end: int, failpoint: str) -> None:
    os.environ["RECONCILER_FAILPOINT"] = failpoint
    failpoints._hits.clear()
    gc.disable()
    try:
        answer = work()
    except ReconcilerError as error:
        answer = {"exit": error.exit_code, "message": str(error)}
    except BaseException as error:
        answer = {"exit": -1, "message": f"{type(error).__name__}: {error}"}
    os.write(write_end, json.dumps({**answer, "hits": dict(failpoints._hits)}).encode())
    os._exit(0)


def warm(work: Callable[[], dict[str, Any]]) -> None:
    """Run ``work`` once in this process: children that are forked then find everything imported and built."""
    if work()["exit"] != 0:
        raise SystemExit("an undisturbed apply failed")
    assert len(os.listdir("/proc/self/task")) == 1, "an apply left a thread, which no child would have"
    gc.collect()
    gc.freeze()


def applying(plan: Plan, database: Database, lock_timeout: float = 5.0) -> Callable[[], dict[str, Any]]:
    def work() -> dict[str, Any]:
        return {"exit": 0, "generation": execute(plan, database, terms(lock_timeout)).generation}

    return work

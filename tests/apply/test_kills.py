"""SIGKILL during an apply of more than 60 changes: the state before or the state after, and the next apply goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.apply.mixed import ALLOW, prepare
from tests.conftest import ROOT, Db, Run, command_environment

KILLS = int(os.environ.get("TEST_KILLS", "40"))
SETUP_KILLS = 10
FIRST, LAST = ("before_lock", "after_lock", "before_audit", "after_audit", "before_commit"), "after_commit"


def test_killed_at_every_failpoint_and_at_random_moments(db: Db) -> None:
    """In forked processes, as in tests/campaigns/kills.py by hand: at every failpoint, but at few random moments."""
    arguments = ["-m", "tests.campaigns.kills", "--url", db.url]
    arguments += ["--kills", str(KILLS), "--setup-kills", str(SETUP_KILLS)]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=command_environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert done.returncode == 0
    assert report["kills"] == KILLS + SETUP_KILLS + 2 * report["statements"] + 6
    assert report["statements"] > 20
    hits = report["by_failpoint"]
    assert hits["before_stmt before"] == hits["after_stmt before"] == report["statements"]
    assert [hits[f"{name} before"] for name in FIRST] == [1] * len(FIRST)
    assert hits["after_commit after"] == 1
    assert report["before"] > report["statements"] * 2
    assert report["seconds_slowest_next"] < 5


def test_the_command_line_killed(db: Db, run: Run, folder: Path) -> None:
    plan = prepare(run, db, folder)
    tables = ("resources", "applied", "generations", "changes", "projects")

    def everything() -> dict[str, list[tuple[object, ...]]]:
        return {table: sorted(db.sql(f"SELECT * FROM {table}"), key=str) for table in tables}

    before = everything()
    for failpoint in (*(f"{name}:kill" for name in FIRST), "before_stmt:kill:9", "after_stmt:kill:17"):
        run("apply", str(plan), *ALLOW, env={"RECONCILER_FAILPOINT": failpoint}).ok(-9)
        assert everything() == before, failpoint
    run("apply", str(plan), *ALLOW, env={"RECONCILER_FAILPOINT": f"{LAST}:kill"}).ok(-9)
    after = everything()
    assert len(after["generations"]) == len(before["generations"]) + 1
    again = run("apply", str(plan), *ALLOW, "--lock-timeout", "5").ok()
    assert "Somebody has applied this plan already" in again.out
    assert everything() == after
    assert "No changes." in run("plan").ok().out


def test_an_unexpected_failure_in_the_middle_leaves_nothing(db: Db, run: Run, folder: Path) -> None:
    plan = prepare(run, db, folder)
    before = {table: sorted(db.sql(f"SELECT * FROM {table}"), key=str) for table in ("resources", "applied", "changes")}
    for failpoint in ("after_lock:raise", "before_stmt:raise:20", "after_audit:raise", "before_commit:raise"):
        failed = run("apply", str(plan), *ALLOW, env={"RECONCILER_FAILPOINT": failpoint}).ok(1)
        assert "internal-error" in failed.err
        found = {table: sorted(db.sql(f"SELECT * FROM {table}"), key=str) for table in before}
        assert found == before, failpoint
        if db.is_sqlite:
            assert db.sql("SELECT * FROM writer") == db.sql("SELECT * FROM announcements") == []
    run("apply", str(plan), *ALLOW).ok()

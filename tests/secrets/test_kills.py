"""SIGKILL during `secrets reencrypt`: every secret opens, and the next run goes on where that one was."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.conftest import ROOT, Db, command_environment

KILLS = int(os.environ.get("TEST_REWRAP_KILLS", "8"))


def test_killed_at_failpoints_and_at_random_moments(db: Db) -> None:
    """As tests/campaigns/rewrap.py does by hand, a few times."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaigns.rewrap", "--url", db.url, "--kills", str(KILLS), "--secrets", "6"],
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
    assert report["kills"] == KILLS
    assert sum(report["by_failpoint"].values()) >= KILLS // 2
    assert report["opened"] == KILLS * 2 * 6

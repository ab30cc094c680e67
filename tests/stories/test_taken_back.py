"""What an earlier generation did is taken back by nobody unseen: rollbacks, reverts, and older values."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import BASE, Db, Run

OTHER = BASE.replace("cost_usd: 100", "cost_usd: 200")
ELSEWHERE = BASE.replace("[public.orders]", "[public.orders, public.customers]")


@pytest.fixture
def rolled_back(run: Run, base: Path) -> Path:
    """Generation 1 said 100, generation 2 said 200, and generation 3 rolled that back; the file says 200."""
    run("apply", ".", "--auto-approve").ok()
    base.write_text(OTHER)
    run("apply", ".", "--auto-approve").ok()
    run("rollback", "1", "--auto-approve").ok()
    return base


def test_a_rollback_is_not_taken_back_unseen(run: Run, rolled_back: Path, db: Db) -> None:
    shown = run("plan", ".").ok().out
    assert "the last apply was a rollback (generation 3, by tester" in shown
    assert "the configuration would undo it: acme/limit/month cost_usd" in shown
    refused = run("apply", ".", "--auto-approve").ok(6).err
    assert "--allow-undo" in refused
    assert db.rows()["acme/limit/month"]["cost_usd"] == "100"
    run("plan", ".", "--out", "seen.plan").ok()
    run("apply", "seen.plan", "--auto-approve").ok()
    assert db.rows()["acme/limit/month"]["cost_usd"] == "200"


def test_the_flag_lifts_it(run: Run, rolled_back: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve", "--allow-undo").ok()
    assert db.rows()["acme/limit/month"]["cost_usd"] == "200"


def test_what_a_rollback_did_not_touch_is_no_undoing(run: Run, rolled_back: Path) -> None:
    """The name of the last operation says nothing: only an overlap does."""
    rolled_back.write_text(ELSEWHERE)
    shown = run("plan", ".").ok().out
    assert "the configuration would undo" not in shown
    run("apply", ".", "--auto-approve").ok()


def test_a_rollback_behind_other_applies_is_still_one(run: Run, rolled_back: Path) -> None:
    rolled_back.write_text(ELSEWHERE)
    run("apply", ".", "--auto-approve").ok()
    rolled_back.write_text(OTHER.replace("[public.orders]", "[public.orders, public.customers]"))
    assert "this takes back what a rollback (generation 3, by tester" in run("plan", ".").ok().out
    run("apply", ".", "--auto-approve").ok(6)


def test_a_third_value_is_a_change_of_its_own(run: Run, rolled_back: Path) -> None:
    rolled_back.write_text(BASE.replace("cost_usd: 100", "cost_usd: 300"))
    assert "the configuration would undo" not in run("plan", ".").ok().out
    run("apply", ".", "--auto-approve").ok()


def test_what_a_rollback_removed_does_not_come_again_unseen(run: Run, base: Path, db: Db) -> None:
    base.write_text(BASE.partition("limits:")[0])
    run("apply", ".", "--auto-approve").ok()
    base.write_text(BASE)
    run("apply", ".", "--auto-approve").ok()
    run("rollback", "1", "--auto-approve").ok()
    base.write_text(OTHER)
    assert "acme/limit/month" in run("apply", ".", "--auto-approve").ok(6).err
    assert "acme/limit/month" not in db.rows()


def test_what_a_rollback_brought_back_is_not_deleted_unseen(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    base.write_text(BASE.partition("limits:")[0])
    run("apply", ".", "--auto-approve").ok()
    run("rollback", "1", "--auto-approve").ok()
    run("apply", ".", "--auto-approve").ok(6)
    assert "acme/limit/month" in db.rows()


def test_an_older_value_is_not_brought_back_unseen(run: Run, base: Path, db: Db) -> None:
    run("apply", ".", "--auto-approve").ok()
    base.write_text(OTHER)
    run("apply", ".", "--auto-approve").ok()
    base.write_text(BASE)
    refused = run("apply", ".", "--auto-approve").ok(6).err
    assert "this takes back what an earlier apply (generation 2, by tester" in refused
    assert db.rows()["acme/limit/month"]["cost_usd"] == "200"
    run("apply", ".", "--auto-approve", "--allow-undo").ok()


def test_a_later_commit_takes_back_on_purpose(run: Run, base: Path, folder: Path, db: Db) -> None:
    def git(*arguments: str) -> None:
        own = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "-q")
    for text in (BASE, OTHER, BASE):
        base.write_text(text)
        git("add", "acme.yaml")
        git("commit", "-qm", "x")
        run("apply", ".", "--auto-approve").ok()
    assert db.rows()["acme/limit/month"]["cost_usd"] == "100"
    run("rollback", "2", "--auto-approve").ok()
    git("commit", "-qm", "y", "--allow-empty")
    run("apply", ".", "--auto-approve").ok(6)

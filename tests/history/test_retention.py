"""History that is pruned: what is gone says so, and costs nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import BASE, Db, Run

SETTINGS = "version: 1\nproject: shop\nhistory: {keep_generations: 2}\n"


def _applied(run: Run, base: Path, cost: int) -> None:
    base.write_text(BASE.replace("cost_usd: 100", f"cost_usd: {cost}"))
    run("apply", "--auto-approve").ok()


def test_old_generations_say_that_they_are_gone(run: Run, base: Path, folder: Path, db: Db) -> None:
    (folder / "reconciler.yaml").write_text(SETTINGS)
    for cost in range(101, 106):
        _applied(run, base, cost)
    listed = run("history", "--format", "json").ok().json
    assert (listed["pruned_up_to"], [g["number"] for g in listed["generations"]]) == (3, [5, 4, 3, 2, 1])
    assert "What the generations up to 3 changed is no longer kept." in run("history").ok().err
    assert "history was pruned up to generation 3" in run("history", "3").ok(1).err
    assert "cost_usd" in run("history", "4").ok().out
    assert "the oldest that can be rolled back to is 3" in run("rollback", "2", "--auto-approve").ok(1).err
    assert "the oldest that can be reverted is 4" in run("revert", "3", "--auto-approve").ok(1).err
    fields = {f["field"]: f for f in run("blame", "acme/limit/month", "--format", "json").ok().json["fields"]}
    assert fields["cost_usd"]["generation"] == 5
    assert (fields["per"]["generation"], fields["per"]["pruned"]) == (None, True)
    assert "older than the history that is kept" in run("blame", "acme/limit/month").ok().out
    untouched = {f["generation"] for f in run("blame", "acme/connector/warehouse", "--format", "json").json["fields"]}
    assert untouched == {1}, "the change that made it is kept"
    run("rollback", "3", "--auto-approve").ok()
    assert db.rows()["acme/limit/month"]["cost_usd"] == "103"
    run("audit", "verify").ok()
    assert '"history_pruned_up_to":4' in db.sql("SELECT body FROM audit ORDER BY seq DESC")[0][0]


def test_days_and_generations_keep_what_either_of_them_keeps(run: Run, base: Path, folder: Path, db: Db) -> None:
    (folder / "reconciler.yaml").write_text("version: 1\nproject: shop\nhistory: {keep_days: 30}\n")
    for cost in (101, 102, 103):
        _applied(run, base, cost)
    db.sql("UPDATE generations SET at = '2020-01-01T00:00:00Z' WHERE number <= 2")
    _applied(run, base, 104)
    assert run("history", "--format", "json").ok().json["pruned_up_to"] == 2
    (folder / "reconciler.yaml").write_text(
        "version: 1\nproject: shop\nhistory: {keep_days: 30, keep_generations: 1}\n"
    )
    _applied(run, base, 105)
    assert run("history", "--format", "json").ok().json["pruned_up_to"] == 2
    (folder / "reconciler.yaml").write_text("version: 1\nproject: shop\n")
    _applied(run, base, 106)
    assert run("history", "--format", "json").ok().json["pruned_up_to"] == 2


def test_what_was_let_go_of_stays_known(run: Run, base: Path, folder: Path, db: Db) -> None:
    """Otherwise drift would take the row for one that somebody made at night."""
    (folder / "reconciler.yaml").write_text(SETTINGS)
    run("apply", "--auto-approve").ok()
    run("forget", "acme/limit/month", "--auto-approve").ok()
    without = BASE.partition("limits:")[0]
    for description in "abcd":
        base.write_text(without.replace("type: sql,", f"type: sql, description: {description},"))
        run("apply", "--auto-approve").ok()
    run("drift").ok(0)
    db.sql("DELETE FROM resources WHERE kind = 'limit'")
    base.write_text(without)
    run("apply", "--auto-approve").ok()
    assert db.sql("SELECT count(*) FROM changes WHERE action = 'forget'") == [(0,)]


@pytest.mark.parametrize("text", ["{keep_generations: 0}", "{keep_days: -1}", "{keep_weeks: 3}"])
def test_what_is_wrong_with_it(run: Run, base: Path, folder: Path, text: str) -> None:
    (folder / "reconciler.yaml").write_text(f"version: 1\nproject: shop\nhistory: {text}\n")
    assert "reconciler.yaml:3:" in run("plan").ok(3).err

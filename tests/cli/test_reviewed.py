"""`apply --reviewed FILE`: the plan that was reviewed is the plan that is applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import BASE, Db, Run

WHOLE = ("apply", ".", "--auto-approve", "--reviewed", "reviewed.plan")


@pytest.fixture
def db(tmp_path: Path) -> Db:
    """One sort of database is enough: plans are compared in memory."""
    return Db(f"sqlite:///{tmp_path}/state.db")


@pytest.fixture
def planned(run: Run, base: Path) -> Path:
    """What a review saw: a limit that rises, after a first apply."""
    run("apply", ".", "--auto-approve").ok()
    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 200"))
    run("plan", ".", "--out", "reviewed.plan").ok()
    return base


def test_the_same_plan_is_applied_once(run: Run, db: Db, planned: Path) -> None:
    assert "1 changed" in run(*WHOLE).ok().out
    assert "No changes." in run(*WHOLE).ok().out
    assert db.sql("SELECT generation FROM projects") == [(2,)]


def test_an_outside_change_that_the_review_showed_is_overwritten(run: Run, db: Db, planned: Path) -> None:
    db.set_field("acme/limit/month", "cost_usd", "150")
    assert "not-reviewed" in run(*WHOLE).ok(4).err
    run("plan", ".", "--out", "reviewed.plan").ok()
    run(*WHOLE).ok()
    assert db.rows()["acme/limit/month"]["cost_usd"] == "200"


def test_another_plan_is_shown_and_stopped(run: Run, db: Db, planned: Path) -> None:
    planned.write_text(BASE.replace("cost_usd: 100", "cost_usd: 900").replace("public.orders", "public.wages"))
    stopped = run(*WHOLE).ok(4)
    assert "acme/datasource/sales would be changed, and the reviewed plan leaves it alone" in stopped.err
    assert "acme/limit/month would be changed in another way than the reviewed plan shows" in stopped.err
    assert "--allow-unreviewed" in stopped.err
    lines = [line.split() for line in stopped.out.splitlines()]
    assert ["-", "~", "cost_usd", "=", '"100"', "->", '"200"'] in lines
    assert ["+", "~", "cost_usd", "=", '"100"', "->", '"900"'] in lines
    assert db.rows()["acme/limit/month"]["cost_usd"] == "100"
    run(*WHOLE, "--allow-unreviewed").ok()
    assert db.rows()["acme/limit/month"]["cost_usd"] == "900"


def test_a_change_that_went_away_with_another_configuration_stops_it(run: Run, db: Db, planned: Path) -> None:
    planned.write_text(BASE.replace("public.orders", "public.wages"))
    run("plan", ".", "--out", "reviewed.plan").ok()
    planned.write_text(BASE.replace("public.orders", "public.wages").replace("cost_usd: 100", "cost_usd: 100.5"))
    run("plan", ".", "--out", "reviewed.plan").ok()
    planned.write_text(BASE.replace("public.orders", "public.wages"))
    assert "acme/limit/month would stay as it is" in run(*WHOLE).ok(4).err


def test_the_part_that_is_not_live_yet_is_applied(run: Run, db: Db, planned: Path) -> None:
    planned.write_text(BASE.replace("cost_usd: 100", "cost_usd: 200").replace("public.orders", "public.wages"))
    run("plan", ".", "--out", "reviewed.plan").ok()
    run("apply", ".", "--auto-approve", "--target", "acme/limit/month").ok()
    run(*WHOLE).ok()
    assert db.rows()["acme/datasource/sales"]["tables"] == ["public.wages"]


def test_without_a_reviewed_plan_only_nothing_is_applied(run: Run, db: Db, planned: Path) -> None:
    (planned.parent / "reviewed.plan").unlink()
    assert "no plan of these 1 changes was reviewed" in run(*WHOLE).ok(6).err
    assert db.rows()["acme/limit/month"]["cost_usd"] == "100"
    run(*WHOLE, "--allow-unreviewed").ok()
    assert "No changes." in run(*WHOLE).ok().out


def test_an_unsigned_plan_is_refused_where_a_key_is_configured(run: Run, db: Db, planned: Path) -> None:
    run("secrets", "keys", "create", "--out", "key").ok()
    signed = {"RECONCILER_KEY_FILE": "key"}
    assert "[plan-unsigned]" in run(*WHOLE, env=signed).ok(8).err
    assert db.rows()["acme/limit/month"]["cost_usd"] == "100"


def test_a_secret_that_was_set_anew_was_not_reviewed(run: Run, db: Db, base: Path) -> None:
    run("secrets", "keys", "create", "--out", "key").ok()
    signed = {"RECONCILER_KEY_FILE": "key"}
    run("apply", ".", "--auto-approve", env=signed).ok()
    run("secrets", "set", "acme/warehouse", env=signed, stdin="one").ok()
    base.write_text(BASE.replace("vault://kv/acme/warehouse#dsn", "encrypted://warehouse"))
    run("plan", ".", "--out", "reviewed.plan", env=signed).ok()
    run("secrets", "delete", "acme/warehouse", "--auto-approve", env=signed).ok()
    run("secrets", "set", "acme/warehouse", env=signed, stdin="two").ok()
    stopped = run(*WHOLE, env=signed)
    assert stopped.code == 4, stopped.text
    assert "with another secret behind a reference" in stopped.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("apply", ".", "--allow-unreviewed"), "is for --reviewed FILE"),
        (("apply", "reviewed.plan", "--reviewed", "reviewed.plan"), "leave out --reviewed, or the plan"),
    ],
)
def test_options_that_mean_nothing_together(run: Run, planned: Path, arguments: tuple[str, ...], says: str) -> None:
    assert says in run(*arguments).ok(64).err

"""The kill switch waits for nobody: `freeze` and `keys revoke` are in force while an apply hangs, and no apply undoes them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.address import Address
from reconciler.model.status import Status
from reconciler.store.status import read_status
from reconciler.store.url import parse_database
from tests.apply.stopped import AFTER, BEFORE, POINTS, stopped_apply
from tests.conftest import Db, new_postgres_database
from tests.store.support import Cli, cli_on

SHOP = "acme/connector/shop"


@pytest.fixture(params=["sqlite", "postgresql", "pgbouncer"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Db:
    if request.param == "sqlite":
        return Db(f"sqlite:///{tmp_path}/state.db")
    direct = new_postgres_database(request.getfixturevalue("postgres_server"))
    return Db(direct if request.param == "postgresql" else request.getfixturevalue("pgbouncer")(direct))


@pytest.fixture
def run(db: Db, folder: Path) -> Cli:
    (folder / "acme.yaml").write_text(BEFORE)
    call = cli_on(db.url, folder)
    call("apply", "--auto-approve").ok()
    return call


def within_a_second(work: Callable[[], Any]) -> Any:
    """Without the time that an interpreter takes to start."""
    began = time.monotonic()
    done = work().ok()
    assert time.monotonic() - began < 4
    return done


def status(db: Db) -> Status:
    return read_status(parse_database(db.url, Path("/")))


def is_frozen(db: Db, name: str = "shop") -> bool:
    ((uid,),) = db.sql("SELECT uid FROM resources WHERE name = ?", [name])
    return status(db).freeze_at(Address("acme", "connector", name), uid) is not None


def events(db: Db) -> list[str]:
    return [json.loads(body)["event"] for (body,) in db.sql("SELECT body FROM audit ORDER BY seq")]


@pytest.mark.parametrize("point", POINTS)
def test_in_force_while_an_apply_hangs_and_after_it(run: Cli, db: Db, folder: Path, point: str) -> None:
    """The apply replaces the very connector that is frozen: the next life is frozen from its first moment on."""
    key = run("keys", "issue", "acme/bot", "--format", "json").ok().json["id"]
    with stopped_apply(db.url, folder, point) as apply:
        frozen = within_a_second(lambda: run("freeze", SHOP, "--reason", "incident 7"))
        within_a_second(lambda: run("keys", "revoke", "acme/bot", key))
        assert f"{SHOP} is frozen now." in frozen.out
        assert is_frozen(db)
        assert status(db).keys[key].revoked_at
        assert SHOP in run("freeze", "--list").ok().out
        assert '"revoked"' in run("keys", "list", "acme/bot", "--format", "json").ok().out
        assert apply.goes_on() == 0
    assert is_frozen(db)  # before anybody files it
    run("unfreeze", SHOP, "--reason", "over").ok()
    assert not is_frozen(db)
    assert status(db).keys[key].revoked_at
    run("audit", "verify").ok()
    assert sorted(events(db)) == ["apply", "apply", "freeze", "key-issue", "key-revoke", "unfreeze"]
    assert events(db)[-1] == "unfreeze"


def test_the_entry_is_announced_and_made_by_the_next_writer(run: Cli, db: Db, folder: Path) -> None:
    with stopped_apply(db.url, folder, "before_commit") as apply:
        done = run("freeze", SHOP, "--reason", "incident 7").ok()
        assert "Its audit entry follows" in done.err
        shown = run("audit", "show", status(db).freezes[0].id, "--format", "json").ok().json
        assert shown["entry"]["pending"]
        assert shown["entry"]["target"] == SHOP
        assert apply.goes_on() == 0
    assert events(db)[-1] == "apply"
    (folder / "acme.yaml").write_text(AFTER.replace("ours", "another"))
    run("apply", "--auto-approve").ok()
    assert events(db)[-2:] == ["freeze", "apply"]
    assert "pending" not in run("audit", "show", shown["id"]).ok().out
    assert status(db).pending == 0
    assert is_frozen(db)


def test_a_freeze_of_what_is_frozen_outlives_the_end_of_the_first(run: Cli, db: Db, folder: Path) -> None:
    """An `unfreeze` that hangs may commit after the freeze that came later: what came later holds."""
    run("freeze", SHOP, "--reason", "incident 7").ok()
    with stopped_apply(db.url, folder, "before_commit"):
        assert "frozen already" in run("freeze", SHOP, "--reason", "incident 8").ok().out
        assert status(db).pending == 1
    run("freeze", "--list").ok()
    run("unfreeze", SHOP, "--reason", "over").ok()  # it files the second, and lifts both
    assert not is_frozen(db)
    assert events(db).count("freeze") == 1


def test_what_is_renamed_meanwhile_is_frozen(run: Cli, db: Db, folder: Path) -> None:
    moved = BEFORE.replace("other:", "third:") + "moved: [{from: connector/other, to: connector/third}]\n"
    with stopped_apply(db.url, folder, "after_audit", moved) as apply:
        run("freeze", "acme/connector/other", "--reason", "incident 7").ok()
        assert apply.goes_on() == 0
    assert is_frozen(db, "third")
    run("unfreeze", "acme/connector/third", "--reason", "over").ok()
    assert not is_frozen(db, "third")


def test_all_that_came_while_it_hung_is_filed_once(run: Cli, db: Db, folder: Path) -> None:
    with stopped_apply(db.url, folder, "after_lock") as apply:
        for number in range(5):
            run("freeze", f"acme/connector/later-{number}", "--reason", "x", "--allow-unknown").ok()
        assert len(status(db).freezes) == 5
        assert apply.goes_on() == 0
    for code in (0, 1):
        run("unfreeze", "acme/connector/later-0", "--reason", "over").ok(code)
    assert events(db).count("freeze") == 5
    assert len(status(db).freezes) == 4

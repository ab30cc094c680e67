"""Digests of hours stand in the audit trail, and evidence that was changed, added or removed no longer fits them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.audit import Actor
from reconciler.runtime.ledger.digests import Window, file_hours, verify
from reconciler.runtime.ledger.rollup import roll_up
from tests.conftest import Db
from tests.runtime.ledger.support import store_of
from tests.runtime.ledger.test_rollup import FIRST, WHEN, filled
from tests.store.support import cli_on, database_of

SERVE = Actor("serve", ("k", b"x" * 32))
ALL = Window(FIRST, None)


@pytest.fixture
def control(tmp_path: Path, folder: Path) -> Db:
    found = Db(f"sqlite:///{tmp_path}/control.db")
    cli_on(found.url, folder)("db", "upgrade").ok()
    return found


def entries(control: Db) -> list[dict[str, Any]]:
    found = [json.loads(body) for (body,) in control.sql("SELECT body FROM audit ORDER BY seq")]
    return [one for one in found if one["event"] == "evidence-hours"]


def findings(db: Db, control: Db, window: Window = ALL) -> tuple[str, ...]:
    return verify(store_of(db), database_of(control), window).findings


def rolled_up(db: Db, control: Db) -> None:
    filled(db)
    roll_up(store_of(db))
    assert file_hours(store_of(db), database_of(control), SERVE) == 3


def test_each_hour_stands_in_the_trail_once(db: Db, control: Db, folder: Path) -> None:
    filled(db)
    assert roll_up(store_of(db), most=1) == [FIRST]
    assert [file_hours(store_of(db), database_of(control), SERVE) for _ in range(2)] == [1, 0]
    roll_up(store_of(db))
    assert [file_hours(store_of(db), database_of(control), SERVE) for _ in range(2)] == [2, 0]
    hours = [[row[0], row[1], row[3]] for one in entries(control) for row in one["hours"]]
    assert hours == [[hour, tenant, 27 if (hour, tenant) == (FIRST, "acme") else 2 if hour == FIRST else 1] for hour in (FIRST, FIRST + 1, FIRST + 30) for tenant in ("acme", "globex")]  # fmt: skip
    assert {one["actor"] for one in entries(control)} == {"serve"}
    check = verify(store_of(db), database_of(control), ALL)
    assert (check.state, check.findings) == ("ok", ())
    assert check.summary == "3 hours from 2024-10-04T00Z to 2024-10-05T06Z, 33 calls and refusals"


CHANGED = {
    f"DELETE FROM outcomes WHERE at = {WHEN[0]}": "evidence was changed: 27 calls, 27 were recorded",
    f"DELETE FROM intents WHERE at = {WHEN[2]} AND tenant = 'globex'": "globex: evidence of 1 calls is gone",
    "UPDATE outcomes SET outcome = 'success', code = ''": "acme: evidence was changed",
    "UPDATE denial_counts SET n = 1": "evidence was changed: 26 calls, 27 were recorded",
    "DELETE FROM denials": "evidence was changed: 2 calls, 27 were recorded",
    "UPDATE intents SET tenant = 'other' WHERE tenant = 'globex'": "other: evidence was added that the audit trail does not know",
    "UPDATE daily SET calls = calls + 1": "the day is not the sum of its hours",
    "UPDATE daily SET bytes = 0": "the day is not the sum of its hours",
    "DELETE FROM daily": "2024-10-04: the day is not the sum of its hours",
    "UPDATE hours SET digest = 'x'": "the roll-up is not the one of the audit trail",
    f"DELETE FROM hours WHERE hour = {FIRST + 1}": "the roll-up is not the one of the audit trail",
    "UPDATE paths SET target = 'template/other'": "was changed: it says acme, template/other",
    "UPDATE subjects SET token_roles = '[]'": "subjects: the entry",
    "UPDATE policies SET policy = 'policy/x'": "policies: the entry",
}


@pytest.mark.parametrize("statement", CHANGED)
def test_what_was_changed_is_found(db: Db, control: Db, statement: str) -> None:
    rolled_up(db, control)
    db.sql(statement)
    found = findings(db, control)
    assert any(CHANGED[statement] in one for one in found), found


def test_what_was_removed_is_found_where_it_was_asked_for(db: Db, control: Db, folder: Path) -> None:
    rolled_up(db, control)
    for table in ("outcomes", "intents", "denials", "denial_counts"):
        db.sql(f"DELETE FROM {table} WHERE at < {WHEN[2]}")
    assert "evidence of 27 calls is gone" in findings(db, control)[0]
    assert findings(db, control, Window()) == ()
    assert findings(db, control, Window(FIRST + 1)) == ()
    run = cli_on(control.url, folder)
    answer = run("evidence", "verify", "--store", db.url, "--from", "2024-10-01", "--format", "json").ok(8).json
    assert (answer["valid"], answer["found"]) == (False, 3)
    told = run("evidence", "verify", "--store", db.url, "--from", "2024-10-04T01:00Z", "--to", "2024-10-05").ok().out
    assert told == "The evidence holds: 1 hours from 2024-10-04T01Z to 2024-10-04T01Z, 2 calls and refusals.\n"


def test_the_command_counts_files_and_rebuilds(db: Db, control: Db, folder: Path) -> None:
    filled(db)
    run = cli_on(control.url, folder)
    first = run("evidence", "rollup", "--store", db.url).ok().out
    assert first == "Hours counted: 3; written into the audit trail: 3.\n"
    again = run("evidence", "rollup", "--store", db.url, "--rebuild", "--format", "json").ok().json
    assert {**again, "format_version": ""} == {"format_version": "", "hours": 0, "filed": 0, "rebuilt": ["2024-10-04", "2024-10-05"], "left": []}  # fmt: skip
    assert "The evidence holds" in run("evidence", "verify", "--store", db.url, "--from", "2024-10-01").ok().out
    assert "The audit trail holds" in run("audit", "verify").ok().out
    run("evidence", "rollup", "--store", db.url, "--keep-aggregates-days", "1").ok()
    assert db.sql("SELECT count(*) FROM daily") == [(0,)]


def test_what_is_removed_was_counted(db: Db, folder: Path) -> None:
    filled(db)
    cli_on(f"sqlite:///{folder}/state.db", folder)("evidence", "prepare", "--keep-days", "1", "--store", db.url).ok()
    assert db.sql("SELECT count(*) FROM intents") == [(0,)]
    assert db.sql("SELECT count(DISTINCT day) FROM daily") == [(2,)]


def test_another_stores_entries_are_not_its_own(db: Db, control: Db, tmp_path: Path) -> None:
    rolled_up(db, control)
    other = Db(f"sqlite:///{tmp_path}/other.db")
    filled(other)
    roll_up(store_of(other))
    assert file_hours(store_of(other), database_of(control), SERVE) == 3
    assert file_hours(store_of(db), database_of(control), SERVE) == 0
    assert findings(db, control) == findings(other, control) == ()

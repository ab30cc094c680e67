"""`db verify`: a sound database holds, and each sort of damage is found by the check that is about it, all at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Db, Ran
from tests.store.support import Cli, cli_on, set_up

APPLY = ("apply", "--auto-approve", "--allow-undo")


def write(folder: Path, **requests: int) -> None:
    limits = {name: {"target": "tenant", "per": "day", "requests": n} for name, n in requests.items()}
    (folder / "acme.yaml").write_text(json.dumps({"version": 1, "tenant": "acme", "limits": limits}))


@pytest.fixture
def run(db: Db, folder: Path) -> Cli:
    """Three generations under a key; one resource of each of two lives."""
    key = str(folder.parent / "keys.json")
    plain = cli_on(db.url, folder)
    plain("secrets", "keys", "create", "--out", key).ok()

    def call(*arguments: str, **more: str) -> Ran:
        return plain(*arguments, **{"RECONCILER_KEY_FILE": key, **more})

    for requests in ({"one": 1, "two": 2}, {"one": 3}, {"one": 3, "two": 4}):
        write(folder, **requests)
        call(*APPLY).ok()
    return call


def found(run: Cli) -> dict[str, tuple[str, list[str]]]:
    ran = run("db", "verify", "--format", "json")
    document = ran.json
    assert ran.code == (0 if document["valid"] else 8)
    return {one["name"]: (one["state"], one["findings"]) for one in document["checks"]}


def test_a_sound_database_holds(db: Db, run: Cli) -> None:
    assert {name: state for name, (state, _) in found(run).items()} == dict.fromkeys(
        ("schema", "audit", "applied", "history", "seals"), "ok"
    )
    out = run("db", "verify").ok().out
    assert "ok       history   3 generations replayed give what was applied" in out
    assert out.endswith("The database holds.\n")
    before = db.sql("SELECT count(*) FROM audit")
    run("db", "verify").ok()
    assert db.sql("SELECT count(*) FROM audit") == before


DAMAGE = {
    "schema": ("DROP INDEX changes_by_address", "the index changes_by_address on changes is missing"),
    "audit": ("UPDATE audit_head SET seq = 2", "the trail does not hold from entry 3 on"),
    "applied": (
        "UPDATE resources SET spec = '{\"target\": \"tenant\", \"per\": \"day\", \"requests\": 77}' WHERE name = 'one'",
        "acme/limit/one is not what shop applied",
    ),
    "applied, gone": ("DELETE FROM resources WHERE name = 'two'", "acme/limit/two was applied and is not live"),
    "history": (
        "DELETE FROM changes WHERE generation = 3",
        "acme/limit/two: shop owns it, and its history does not",
    ),
    "history, edited": (
        "UPDATE changes SET after = '{\"requests\": 5}' WHERE generation = 2 AND name = 'one'",
        "acme/limit/one: the history of shop leads to another body or life than was applied",
    ),
    "history, of the trail": (  # the replay leads to the same end
        "UPDATE changes SET before = '{\"requests\": 5}' WHERE generation = 2 AND name = 'one'",
        "generation 2 of shop is not what the audit trail says was applied",
    ),
    "history, forgotten": ("DELETE FROM applied WHERE name = 'two'", "acme/limit/two: the history of shop leads to it"),
    "history, a number": ("UPDATE projects SET generation = 9", "shop is at generation 9, and history has 3 up to 3"),
    "seals": ("UPDATE applied SET uid = uid || 'x' WHERE name = 'one'", "acme/limit/one: the record of what was applied"),
    "seals, taken off": ("UPDATE applied SET mac = NULL WHERE name = 'one'", "acme/limit/one: the record of what was applied has no seal"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_by_its_check(db: Db, run: Cli, name: str) -> None:
    statement, expected = DAMAGE[name]
    db.sql(statement)
    check = name.partition(",")[0]
    state, findings = found(run)[check]
    assert state == "failed"
    assert any(expected in finding for finding in findings), findings
    out = run("db", "verify").ok(8).out
    assert f"FAILED   {check}" in out
    assert "checks failed." in out


def test_all_of_it_at_once(db: Db, run: Cli) -> None:
    for name in ("schema", "audit", "applied", "history, edited", "seals, taken off"):
        db.sql(DAMAGE[name][0])
    assert [state for state, _ in found(run).values()] == ["failed"] * 5
    assert "5 of 5 checks failed." in run("db", "verify").ok(8).out


def test_a_check_that_can_not_read_stops_no_other(db: Db, run: Cli) -> None:
    db.sql("DROP TABLE outbox")
    db.sql("ALTER TABLE changes DROP COLUMN sources")
    states = {name: state for name, (state, _) in found(run).items()}
    assert states == {"schema": "failed", "audit": "ok", "applied": "ok", "history": "failed", "seals": "ok"}


def test_what_means_the_same_is_no_finding(db: Db, run: Cli) -> None:
    """Other spacing, another order of keys: judged by meaning, as a plan does."""
    for name, body in db.rows().items():
        turned = json.dumps(dict(reversed(body.items())), indent=3)
        db.sql("UPDATE resources SET spec = ? WHERE name = ?", [turned, name.rpartition("/")[2]])
    assert found(run)["applied"][0] == "ok"


def test_another_project_took_it_over(db: Db, run: Cli, folder: Path) -> None:
    """The former owner's history goes on saying that it managed it, and that is as it should be."""
    document = json.loads((folder / "acme.yaml").read_text())
    (folder / "acme.yaml").write_text(
        json.dumps(
            {
                **document,
                "limits": {"one": document["limits"]["one"]},
                "adopt": [{"address": "limit/one", "from_project": "shop"}],
            }
        )
    )
    run(*APPLY, RECONCILER_PROJECT="other").ok()
    assert [state for state, _ in found(run).values()] == ["ok"] * 5


def test_pruned_history_still_replays(db: Db, run: Cli, folder: Path) -> None:
    (folder / "reconciler.yaml").write_text("version: 1\nproject: shop\nhistory: {keep_generations: 1}\n")
    for number in range(4):
        write(folder, one=10 + number, three=1)
        run(*APPLY).ok()
    assert db.sql("SELECT horizon > 0 FROM projects") in ([(1,)], [(True,)])
    assert found(run)["history"] == ("ok", [])


def test_without_a_key(db: Db, folder: Path) -> None:
    write(folder, one=1)
    run = cli_on(db.url, folder)
    run(*APPLY).ok()
    assert found(run)["seals"] == ("skipped", [])
    assert "skipped  seals     no key is configured" in run("db", "verify").ok().out


def test_where_there_is_nothing_to_check(db: Db, folder: Path) -> None:
    run = cli_on(db.url, folder)
    assert "there is nothing to check" in run("db", "verify").ok(1).err
    set_up(db, "0004")
    assert "[database-older]" in run("db", "verify").ok(6).err


def test_findings_are_counted_beyond_those_shown(db: Db, folder: Path) -> None:
    write(folder, **{f"l{number}": 1 for number in range(130)})
    run = cli_on(db.url, folder)
    run(*APPLY).ok()
    db.sql("DELETE FROM resources")
    assert len(found(run)["applied"][1]) == 100
    out = run("db", "verify").ok(8).out
    assert "FAILED   applied   130 found" in out
    assert "- and 30 more" in out

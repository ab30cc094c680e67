"""Evidence by time, target, outcome and run: what is asked for, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from reconciler.runtime.ledger.ledger import Ledger
from reconciler.runtime.ledger.narrowing import NotNarrowing, narrowed
from reconciler.runtime.ledger.reading import evidence
from tests.conftest import Db
from tests.runtime.ledger.support import denial, done, intent, store_of, with_ledger
from tests.store.support import cli_on


def filled(db: Db) -> dict[str, str]:
    """One call or refusal of each sort, by a word for it."""
    found: dict[str, str] = {}

    async def work(ledger: Ledger) -> None:
        for word, fields in (
            ("success", {}),
            ("failure", {"target": "template/other", "caller": "ann"}),
            ("running", {"run": "run-2"}),
            ("unknown", {"seconds": -1.0}),
        ):
            one = intent(**fields)
            await ledger.admit(one)
            found[word] = one.id
            if word in {"success", "failure"}:
                ledger.settle(done(one, word))
        refused = [denial(), denial(target="tool/made-up", chain=(), run="run-2")]
        found["denied"], found["made-up"] = [ledger.deny(one) for one in refused]

    with_ledger(db, work)
    return found


CASES = {
    "outcome=success": ["success"],
    "outcome=failure": ["failure"],
    "outcome=running": ["running"],
    "outcome=unknown": ["unknown"],
    "outcome=denied": ["denied", "made-up"],
    "outcome=timeout": [],
    "target=template/top": ["success", "running", "unknown", "denied"],
    "target=template/other": ["failure"],
    "target=tool/made-up": ["made-up"],
    "target=template/to": [],
    "run=run-2": ["running", "made-up"],
    "caller=ann": ["failure"],
    "caller=ann&outcome=success": [],
    "from=2020-01-01": ["success", "failure", "running", "unknown", "denied", "made-up"],
    "to=2020-01-01": [],
    "from=2100-01-01": [],
    "target=template/top&outcome=denied&run=run-1": ["denied"],
    "target=%": [],
}


def test_each_narrows(db: Db, folder: Path) -> None:
    ids = filled(db)
    words = {identity: word for word, identity in ids.items()}
    for query, expected in CASES.items():
        asks = narrowed(dict(one.split("=") for one in query.split("&")))
        found = [words[row["id"]] for row in evidence(store_of(db), ("acme",), 100, narrowed=asks)]
        assert found == sorted(expected, key=[*ids].index, reverse=True), query
        assert evidence(store_of(db), ("globex",), 100, narrowed=asks) == []
    options = ["--outcome", "denied", "--run", "run-2", "--from", "2020-01-01", "--format", "json"]
    answer = cli_on(db.url, folder)("evidence", "list", "--store", db.url, *options).ok().json
    assert [row["id"] for row in answer["evidence"]] == [ids["made-up"]]
    for target in (["acme/template/other"], ["template/other", "--tenant", "acme"]):
        run = cli_on(db.url, folder)("evidence", "list", "--store", db.url, "--target", *target, "--format", "json")
        assert [row["id"] for row in run.ok().json["evidence"]] == [ids["failure"]]
    bad = cli_on(db.url, folder)("evidence", "list", "--store", db.url, "--outcome", "done").ok(64)
    assert "--outcome: expected one of success, failure" in bad.err


def test_moments_are_cut_to_the_moment(db: Db) -> None:
    ids = filled(db)
    at = {row["id"]: row["requested"] for row in evidence(store_of(db), (), 100)}
    moment = db.sql("SELECT at FROM intents WHERE run = 'run-2'")[0][0]
    before = narrowed({"to": "2100-01-01"})._replace(until=moment)
    after = before._replace(since=moment, until=None)
    older = {row["id"] for row in evidence(store_of(db), (), 100, narrowed=before)}
    newer = {row["id"] for row in evidence(store_of(db), (), 100, narrowed=after)}
    assert ids["running"] in newer
    assert older & newer == set()
    assert older | newer == {*at}


@pytest.mark.parametrize("text", ["0001-01-01", "4253-05-31", "4253-06-01", "9999-12-31T23:59:59-14:00"])
def test_no_moment_is_too_early_or_too_late(db: Db, text: str) -> None:
    """An id says no moment behind the year 4253: PostgreSQL refused what was made of one, and the API answered 503."""
    filled(db)
    until = {row["id"] for row in evidence(store_of(db), (), 100, narrowed=narrowed({"to": text}))}
    since = {row["id"] for row in evidence(store_of(db), (), 100, narrowed=narrowed({"from": text}))}
    everything = {row["id"] for row in evidence(store_of(db), (), 100)}
    assert (since, until) == ((everything, set()) if text.startswith("0001") else (set(), everything))


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("outcome", "done"),
        ("caller", "A B"),
        ("run", ""),
        ("target", "x" * 256),
        ("run", "a\nb"),
        ("from", "yesterday"),
        ("to", "99999-01-01"),
    ],
)
def test_what_is_none_of_it_is_refused(word: str, text: str) -> None:
    with pytest.raises(NotNarrowing) as caught:
        narrowed({word: text})
    assert caught.value.name == word


def test_moments_are_utc_where_they_name_no_offset() -> None:
    day = narrowed({"from": "2026-11-30"}).since
    assert day == narrowed({"from": "2026-11-30T00:00Z"}).since == narrowed({"from": "2026-11-30T01:00+01:00"}).since
    assert time.gmtime(day)[:4] == (2026, 11, 30, 0)

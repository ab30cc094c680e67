"""The audit trail: one chain whoever writes, and every edit of it located."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from reconciler.history.verify import NO_CHECKPOINT, Checkpoint, verify
from reconciler.model.audit import AuditKey, Entry, Head
from reconciler.store.audit import Chain, append, read_chain
from reconciler.store.connect import reading, writing
from reconciler.store.schema import upgrade
from reconciler.store.url import Database, parse_database
from tests.conftest import Db

KEY = ("k-1", b"k" * 32)
WRITERS, EACH = 8, 500


def write(url: str, folder: str, writer: int) -> None:
    database = parse_database(url, Path(folder))
    with writing(database, 120) as connection:
        for number in range(EACH):
            with connection.begin():
                append(connection, {"event": "test", "writer": writer, "number": number}, KEY)


def entries(database: Database) -> Chain:
    with reading(database) as connection:
        chain = read_chain(connection)
        return Chain(chain.head, iter(list(chain.entries)))


def test_eight_writers_make_one_unforked_chain(db: Db, tmp_path: Path) -> None:
    database = parse_database(db.url, tmp_path)
    upgrade(database, 30, only_empty=False)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write, args=(db.url, str(tmp_path), number)) for number in range(WRITERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
        assert worker.exitcode == 0
    found = verify(entries(database), {KEY[0]: KEY[1]})
    assert (found.entry, found.entries, found.unkeyed) == (None, WRITERS * EACH, 0)
    assert verify(entries(database), {}).reason == "its key 'k-1' is not known here"
    with pytest.raises(Exception, match="append-only"):
        db.sql("UPDATE audit SET body = '{}' WHERE seq = 5")
    with pytest.raises(Exception, match="append-only"):
        db.sql("DELETE FROM audit WHERE seq = 4000")


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> tuple[Head, list[Entry]]:
    folder = tmp_path_factory.mktemp("audit")
    database = parse_database("sqlite:///state.db", folder)
    upgrade(database, 30, only_empty=False)
    with writing(database, 30) as connection, connection.begin():
        for number in range(200):
            append(connection, {"event": "test", "number": number}, KEY)
    chain = entries(database)
    return chain.head, list(chain.entries)


@pytest.mark.parametrize("seed", range(500))
def test_every_edit_is_located(trail: tuple[Head, list[Entry]], seed: int) -> None:
    head, original = trail
    dice = Random(seed)
    changed = list(original)
    where = dice.randrange(len(changed) - 1)
    entry = changed[where]
    sort = dice.choice(["body", "hash", "key", "remove", "insert", "swap", "seq"])
    if sort == "body":
        place = dice.randrange(len(entry.body))
        other = chr((ord(entry.body[place]) + 1 - 32) % 94 + 32)
        changed[where] = entry._replace(body=entry.body[:place] + other + entry.body[place + 1 :])
    elif sort == "hash":
        digits = "".join("0" if c != "0" else "1" for c in entry.hash[:8]) + entry.hash[8:]
        changed[where] = entry._replace(hash=digits)
    elif sort == "key":
        changed[where] = entry._replace(key_id=None)
    elif sort == "remove":
        del changed[where]
    elif sort == "insert":
        changed.insert(where, entry)
    elif sort == "swap":
        changed[where], changed[where + 1] = changed[where + 1], changed[where]
    else:
        changed[where] = entry._replace(seq=entry.seq + 1)
    found = verify(Chain(head, iter(changed)), {KEY[0]: KEY[1]})
    located = {where + 1, where + 2} if sort == "insert" else {where + 1}
    assert found.entry in located, (sort, found)


def test_a_cut_tail_needs_a_checkpoint(trail: tuple[Head, list[Entry]]) -> None:
    head, original = trail
    keys = {KEY[0]: KEY[1]}
    cut = original[:150]
    forged = Head(150, cut[-1].hash)
    assert verify(Chain(head, iter(cut)), keys).entry == 151
    assert verify(Chain(forged, iter(cut)), keys).entry is None
    found = verify(Chain(forged, iter(cut)), keys, Checkpoint(200, original[-1].hash))
    assert (found.entry, found.reason) == (151, "the tail was cut: the checkpoint saw entry 200")
    assert verify(Chain(head, iter(original)), keys, Checkpoint(100, original[99].hash)).entry is None
    assert verify(Chain(head, iter(original)), keys, Checkpoint(100, "f" * 64)).entry == 100


def write_entries(folder: Path, *keys: AuditKey) -> tuple[Database, Chain]:
    database = parse_database("sqlite:///state.db", folder)
    upgrade(database, 30, only_empty=False)
    with writing(database, 30) as connection, connection.begin():
        for number, key in enumerate(keys):
            append(connection, {"event": "test", "number": number}, key)
    return database, entries(database)


KEYS = {KEY[0]: KEY[1]}


def test_an_entry_without_a_key_behind_one_with_a_key_is_broken(tmp_path: Path) -> None:
    """Old: both could stand side by side. Then whoever dropped the key id could write the rest of the trail anew."""
    _, chain = write_entries(tmp_path, KEY, KEY, None, KEY)
    found = verify(chain, KEYS)
    assert (found.entry, found.verdict) == (3, "broken")
    assert found.reason == "it has no key, and entry 2 before it has one"


def test_an_entry_without_a_key_is_broken_where_one_is_configured(tmp_path: Path) -> None:
    database, chain = write_entries(tmp_path, None, None)
    assert verify(chain, {}).verdict == "not-provable"
    for keys, expects in ((KEYS, None), ({}, True)):
        found = verify(entries(database), keys, None, expects)
        assert (found.entry, found.verdict) == (1, "broken")
        assert "though one is configured" in found.reason


def test_the_first_entry_with_a_key_takes_over_those_before_it(tmp_path: Path) -> None:
    database, chain = write_entries(tmp_path, None, None, KEY, KEY)
    bodies = [json.loads(one.body) for one in chain.entries]
    assert [one.get("unkeyed_before") for one in bodies] == [None, None, 2, None]
    found = verify(entries(database), KEYS)
    assert (found.entry, found.unkeyed, found.taken_over) == (None, 2, 3)


def test_a_change_over_without_a_key_is_none(tmp_path: Path) -> None:
    """Nobody without the key can accept what nobody with the key wrote."""
    database = parse_database("sqlite:///state.db", tmp_path)
    upgrade(database, 30, only_empty=False)
    with writing(database, 30) as connection, connection.begin():
        append(connection, {"event": "test"}, KEY)
        append(connection, {"event": "test"}, None)
        append(connection, {"event": "test", "unkeyed_before": 1}, None)
    assert verify(entries(database), KEYS).entry == 2


def test_an_operator_takes_over_by_an_entry_of_its_own(tmp_path: Path) -> None:
    database, chain = write_entries(tmp_path, KEY, None, KEY)
    assert verify(chain, KEYS).entry == 2
    with writing(database, 30) as connection, connection.begin():
        append(connection, {"event": "trail-take-over"}, KEY, takes_over=True)
    found = verify(entries(database), KEYS)
    assert (found.entry, found.unkeyed, found.taken_over) == (None, 1, 4)


def test_the_three_verdicts(trail: tuple[Head, list[Entry]]) -> None:
    head, original = trail
    point = Checkpoint(100, original[99].hash)
    assert verify(Chain(head, iter(original)), KEYS).verdict == "not-provable"
    assert verify(Chain(head, iter(original)), KEYS, point).verdict == "holds"
    assert verify(Chain(Head(9, original[8].hash), iter(original[:9])), KEYS, point).verdict == "broken"


def test_the_head_of_an_empty_trail_proves_nothing(trail: tuple[Head, list[Entry]]) -> None:
    head, original = trail
    found = verify(Chain(head, iter(original)), KEYS, Checkpoint(0, "0" * 64))
    assert (found.verdict, found.unproven) == ("not-provable", NO_CHECKPOINT)


def test_what_stands_without_a_key_behind_the_checkpoint_is_not_provable(tmp_path: Path) -> None:
    database, chain = write_entries(tmp_path, None, None, None)
    point = Checkpoint(2, list(chain.entries)[1].hash)
    found = verify(entries(database), {}, point)
    assert (found.verdict, found.unproven) == (
        "not-provable",
        "1 entry behind the checkpoint without a key, which whoever writes the table could have written",
    )
    newest = Checkpoint(3, entries(database).head.hash)
    assert verify(entries(database), {}, newest).verdict == "holds"


REPLACE = {
    "by its number": "INSERT OR REPLACE INTO audit (seq, body, hash) VALUES (1, '{}', '')",
    "by its rowid": "REPLACE INTO audit (rowid, seq, body, hash) SELECT rowid, 99, '{}', '' FROM audit WHERE seq = 1",
    "by an upsert": "INSERT INTO audit (seq, body, hash) VALUES (1, '{}', '') ON CONFLICT (seq) DO UPDATE SET body = '{}'",
    "the head": "REPLACE INTO audit_head (one, seq, hash) VALUES (1, 1, '')",
}


@pytest.mark.parametrize("how", REPLACE)
def test_sqlite_replaces_no_entry(tmp_path: Path, how: str) -> None:
    """No DELETE trigger fires for the row that a REPLACE removes."""
    database, chain = write_entries(tmp_path, KEY, KEY)
    before = list(chain.entries)
    with closing(sqlite3.connect(str(database.path))) as connection, pytest.raises(sqlite3.Error, match="append-only"):
        connection.execute(REPLACE[how])
    assert list(entries(database).entries) == before

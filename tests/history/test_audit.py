"""The audit trail: one chain whoever writes, and every edit of it located."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from random import Random

import pytest

from reconciler.history.verify import Checkpoint, verify
from reconciler.model.audit import Entry, Head
from reconciler.store.audit import Chain, append
from reconciler.store.connect import writing
from reconciler.store.reading import chain_of
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
                append(connection, {"event": "test", "writer": writer, "number": number}, KEY if number % 2 else None)


def entries(database: Database) -> Chain:
    with chain_of(database) as chain:
        assert chain is not None
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
    assert (found.entry, found.entries, found.unkeyed) == (None, WRITERS * EACH, WRITERS * EACH // 2)
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

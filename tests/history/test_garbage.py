"""Whatever somebody writes into the tables of the trail and of history: `audit verify` gives a verdict, and fails at none."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.conftest import Db
from tests.history.test_trail import applied
from tests.store.support import cli_on

TRAIL = {
    "no head": "DELETE FROM audit_head",
    "a head of text": "UPDATE audit_head SET seq = 'x'",
    "a head of bytes": "UPDATE audit_head SET hash = x'00ff'",
    "bytes": "UPDATE audit SET body = x'ff00' WHERE seq = 2",
    "a number": "UPDATE audit SET body = 5 WHERE seq = 2",
    "no UTF-8": "UPDATE audit SET body = CAST(x'eda080' AS TEXT) WHERE seq = 2",
    "levels": f"UPDATE audit SET body = '{'[' * 50_000}' WHERE seq = 2",
    "a key of bytes": "UPDATE audit SET key_id = x'ff' WHERE seq = 2",
    "a number of text": "UPDATE audit SET seq = 'x' WHERE seq = 2",
}
HISTORY = {
    "an id of bytes": "UPDATE generations SET apply_id = x'ff' WHERE number = 1",
    "a body of bytes": "UPDATE changes SET after = x'ff00' WHERE generation = 1",
    "no JSON": "UPDATE changes SET after = '{' WHERE generation = 1",
    "a tenant of bytes": "UPDATE changes SET tenant = x'ff00' WHERE generation = 1",
    "an action of bytes": "UPDATE changes SET action = x'ff00' WHERE generation = 1",
}


@pytest.mark.parametrize("what", [*TRAIL, *HISTORY])
def test_garbage_is_broken(tmp_path: Path, folder: Path, what: str) -> None:
    db = Db(f"sqlite:///{tmp_path}/state.db")
    plain, key = cli_on(db.url, folder), str(folder.parent / "keys.json")
    plain("secrets", "keys", "create", "--out", key).ok()

    def keyed(*arguments: str, **more: str) -> object:
        return plain(*arguments, **{"RECONCILER_KEY_FILE": key, **more})

    applied(keyed, folder, 1, 2, 3)  # type: ignore[arg-type]
    for (name,) in db.sql("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        db.sql(f'DROP TRIGGER "{name}"')
    db.sql({**TRAIL, **HISTORY}[what])
    err = plain("audit", "verify", RECONCILER_KEY_FILE=key).ok(8).err
    assert ("[audit-broken]" if what in TRAIL else "[history-damaged]") in err


GARBAGE = ("'garbage'", "NULL", "x'00ff'", "-1", "'{\"a\":'", "'[1]'")


def test_no_command_fails_at_a_row_of_history(tmp_path: Path, folder: Path) -> None:
    """Each column, each sort of garbage: `db verify` gives a verdict, and commands that read history a clear error."""
    whole = tmp_path / "whole.db"
    applied(cli_on(f"sqlite:///{whole}", folder), folder, 1, 2)  # type: ignore[arg-type]
    columns = [row[1] for row in Db(f"sqlite:///{whole}").sql("PRAGMA table_info(changes)")]
    tried = 0
    for column in columns:
        for garbage in GARBAGE:
            db = Db(f"sqlite:///{tmp_path}/copy.db")
            shutil.copy(whole, tmp_path / "copy.db")
            try:
                db.sql(f"UPDATE changes SET {column} = {garbage} WHERE rowid = (SELECT min(rowid) FROM changes)")
            except sqlite3.IntegrityError:
                continue
            tried += 1
            run = cli_on(db.url, folder)
            for command in (("db", "verify"), ("blame", "acme/limit/l"), ("history",)):
                ended = run(*command)
                said = ended.out + ended.err
                assert "internal-error" not in said, (column, garbage, command, said)
                assert ended.code != 8 or command[0] == "db" or "[history-damaged]" in said, (column, garbage, command)
    assert tried > 60

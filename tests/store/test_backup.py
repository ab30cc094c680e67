"""`db backup`: whole while others write, never over something, and good for a restore."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Db
from tests.store.support import Cli, cli_on


def manifest(count: int) -> str:
    bodies = {f"l{i}": {"target": "tenant", "per": "day", "requests": count} for i in range(40)}
    return json.dumps({"version": 1, "tenant": "acme", "limits": bodies})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "state.db"


@pytest.fixture
def run(file: Path, folder: Path) -> Cli:
    (folder / "acme.yaml").write_text(manifest(1))
    call = cli_on(f"sqlite:///{file}", folder)
    call("apply", "--auto-approve").ok()
    return call


def test_one_file_with_all_that_the_log_holds(run: Cli, file: Path, tmp_path: Path, folder: Path) -> None:
    """The .db file alone misses what only the log has: with a reader open, that is everything."""
    with closing(sqlite3.connect(file)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM resources").fetchall()
        (folder / "acme.yaml").write_text(manifest(2))
        run("apply", "--auto-approve").ok()
        done = run("db", "backup", str(tmp_path / "copy.db"), "--format", "json").ok().json
    assert done["bytes"] == (tmp_path / "copy.db").stat().st_size
    assert not [path.name for path in tmp_path.iterdir() if path.name not in {"copy.db", "data", "work"}]
    copy = Db(f"sqlite:///{tmp_path}/copy.db")
    assert copy.sql("PRAGMA integrity_check") == [("ok",)]
    assert copy.sql("PRAGMA journal_mode") == [("delete",)]
    assert {body["requests"] for body in copy.rows().values()} == {2}
    assert copy.sql("SELECT max(number) FROM generations") == [(2,)]
    restored = cli_on(copy.url, folder)
    assert "No changes." in restored("plan").ok().out
    (folder / "acme.yaml").write_text(manifest(3))
    restored("apply", "--auto-approve").ok()
    assert (copy.path.stat().st_mode & 0o777) == 0o600


def test_while_somebody_writes(run: Cli, file: Path, tmp_path: Path, folder: Path) -> None:
    """Every copy is of one moment: all rows of one apply, never of two."""
    going = threading.Event()
    going.set()

    def write() -> None:
        count = 1
        with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as connection:
            while going.is_set():
                count += 1
                connection.execute("BEGIN IMMEDIATE")
                for name in range(40):
                    connection.execute(
                        "UPDATE resources SET spec = json_set(spec, '$.requests', ?) WHERE name = ?",
                        [count, f"l{name}"],
                    )
                connection.execute("COMMIT")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for i in range(12):
            run("db", "backup", str(tmp_path / f"{i}.db")).ok()
    finally:
        going.clear()
        writer.join()
    seen = []
    for i in range(12):
        copy = Db(f"sqlite:///{tmp_path}/{i}.db")
        assert copy.sql("PRAGMA integrity_check") == [("ok",)]
        counts = {body["requests"] for body in copy.rows().values()}
        assert len(counts) == 1
        seen.append(counts.pop())
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_nothing_is_overwritten(run: Cli, tmp_path: Path, what: str) -> None:
    target = tmp_path / "there"
    if what == "file":
        target.write_text("precious")
    elif what == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")
    refused = run("db", "backup", str(target))
    assert refused.code == (64 if what == "folder" else 6), refused.err
    if what == "file":
        assert "exists already" in refused.err
        assert target.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"there", "data", "work"}


def test_two_at_once_make_one(run: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody makes the target between the look and the copy."""
    target = tmp_path / "copy.db"
    monkeypatch.setattr("reconciler.store.backup.os.fsync", lambda _: target.write_text("precious"))
    assert "exists already" in run("db", "backup", str(target)).ok(6).err
    assert target.read_text() == "precious"
    assert {path.name for path in tmp_path.iterdir()} == {"copy.db", "data", "work"}


def test_a_file_system_without_hard_links(run: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("reconciler.store.backup.os.link", no_links)
    run("db", "backup", str(tmp_path / "copy.db")).ok()
    assert len(Db(f"sqlite:///{tmp_path}/copy.db").rows()) == 40
    assert "exists already" in run("db", "backup", str(tmp_path / "copy.db")).ok(6).err


def test_where_there_is_nothing_to_copy_or_no_place(run: Cli, tmp_path: Path, folder: Path) -> None:
    assert "can't write" in run("db", "backup", str(tmp_path / "no" / "copy.db")).ok(1).err
    nothing = cli_on(f"sqlite:///{tmp_path}/none.db", folder)("db", "backup", str(tmp_path / "copy.db")).ok(1)
    assert "does not exist" in nothing.err
    assert not (tmp_path / "none.db").exists()
    assert not (tmp_path / "copy.db").exists()
    other = cli_on("postgresql://me:pw@h/live", folder)("db", "backup", str(tmp_path / "copy.db")).ok(64)
    assert "pg_dump" in other.err
    assert "pw" not in other.err

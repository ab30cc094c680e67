"""Pending decisions beside a SQLite file: whose they are, who may read them, and what a backup has of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.errors import IntegrityFailed
from reconciler.store import pending
from reconciler.store.secrets import Actor
from reconciler.store.status import freeze, read_status
from reconciler.store.url import Database
from tests.conftest import Db
from tests.store.support import cli_on, database_of

ADA = Actor("ada")
MANIFEST = "{version: 1, tenant: acme, connectors: {shop: {type: custom}}}"


@pytest.fixture
def file(tmp_path: Path, folder: Path) -> Db:
    (folder / "acme.yaml").write_text(MANIFEST)
    db = Db(f"sqlite:///{tmp_path}/state.db")
    cli_on(db.url, folder)("apply", "--auto-approve").ok()
    return db


def decisions(db: Db) -> list[Path]:
    return sorted(Path(f"{db.path}-switch").iterdir())


def frozen(database: Database) -> list[str]:
    return [one.target for one in read_status(database).freezes]


def test_a_decision_counts_for_no_other_database(file: Db, folder: Path) -> None:
    freeze(database_of(file), "platform", "x", ADA)
    for end in ("", "-wal", "-shm"):
        Path(f"{file.path}{end}").unlink(missing_ok=True)
    cli_on(file.url, folder)("apply", "--auto-approve").ok()
    assert decisions(file)
    assert frozen(database_of(file)) == []


def test_whoever_may_read_the_database_may_read_decisions(file: Db) -> None:
    file.path.chmod(0o640)
    freeze(database_of(file), "platform", "x", ADA)
    (one,) = decisions(file)
    assert [oct(path.stat().st_mode & 0o777) for path in (one.parent, one)] == ["0o750", "0o640"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_decides_the_owner_of_the_database_may_read(file: Db) -> None:
    os.chown(file.path, 4711, 4712)
    freeze(database_of(file), "platform", "x", ADA)
    (one,) = decisions(file)
    assert [(path.stat().st_uid, path.stat().st_gid) for path in (one.parent, one)] == [(4711, 4712)] * 2


def test_a_backup_has_what_is_pending(file: Db, folder: Path, tmp_path: Path) -> None:
    freeze(database_of(file), "platform", "x", ADA)
    cli_on(file.url, folder)("db", "backup", str(tmp_path / "elsewhere.db")).ok()
    copy = Db(f"sqlite:///{tmp_path}/elsewhere.db")
    assert frozen(database_of(copy)) == ["platform"]
    cli_on(copy.url, folder)("unfreeze", "platform", "--reason", "over").ok()
    assert frozen(database_of(copy)) == []
    assert frozen(database_of(file)) == ["platform"]


def test_where_no_file_can_be_made_the_database_has_it(file: Db, folder: Path) -> None:
    Path(f"{file.path}-switch").write_text("in the way")
    freeze(database_of(file), "platform", "x", ADA)
    assert file.sql("SELECT count(*) FROM switch") == [(1,)]
    assert frozen(database_of(file)) == ["platform"]


def test_a_link_to_the_database_leads_to_the_same_decisions(file: Db, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(file.path)
    freeze(database_of(Db(f"sqlite:///{tmp_path}/link.db")), "platform", "x", ADA)
    assert frozen(database_of(file)) == ["platform"]


def test_a_damaged_decision_is_no_permission(file: Db) -> None:
    freeze(database_of(file), "platform", "x", ADA)
    (one,) = decisions(file)
    one.write_bytes(one.read_bytes()[:20])
    with pytest.raises(IntegrityFailed, match="pending decision"):
        read_status(database_of(file))


def test_files_go_an_hour_after_they_were_filed(file: Db, folder: Path) -> None:
    run = cli_on(file.url, folder)
    run("freeze", "platform", "--reason", "x").ok()
    (one,) = decisions(file)
    run("unfreeze", "platform", "--reason", "over").ok()
    assert decisions(file) == [one]
    os.utime(one, (one.stat().st_mtime - pending.KEPT_SECONDS - 1,) * 2)
    run("freeze", "tenant/acme", "--reason", "x").ok()
    assert one not in decisions(file)
    assert frozen(database_of(file)) == ["tenant/acme"]

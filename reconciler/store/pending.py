"""Pending decisions: a freeze or a revocation that is in force and not filed yet, so that it waits for no apply.

On PostgreSQL they are rows of the table ``switch``. A SQLite file has one lock, which an apply holds from its first
statement on: there, each is a file of its own in a folder beside the database, whole or not there (decision 0017).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, delete, select, text

from reconciler.committed import Fate, Write, record
from reconciler.errors import IntegrityFailed
from reconciler.store import dialect
from reconciler.store.changing import changing
from reconciler.store.tables import audit, caller_keys, freezes, status_counter, switch
from reconciler.store.url import Database

KEPT_SECONDS = 3600.0
"""A file stays for so long after it was filed: a reader of an older moment of the database still finds it."""
_SUFFIX = ".json"


class Pending(Struct, frozen=True):
    """``target`` is what is frozen, as the operator wrote it, or the id of the key that is revoked. ``id`` is the write's.

    ``counter`` is the counter of status at the moment at which ``uid`` was read. ``chain`` names the database, by the first
    entry of its audit trail, "" where there was none yet: a file that lies beside another database counts for nothing.
    """

    id: str
    event: Literal["freeze", "key-revoke"]
    at: str
    by: str
    target: str
    reason: str = ""
    tenant: str | None = None
    uid: str | None = None
    caller: str = ""
    counter: int = 0
    chain: str = ""


def put(database: Database, decision: Pending) -> None:
    """Bring ``decision`` into force, durably. Raises what ``changing`` does.

    Where no file can be made beside a SQLite database, it waits for the lock of that.
    """
    what = f"the {decision.event} of {decision.target}"
    if database.path is not None:
        with suppress(OSError):
            _write(_folder(database.path), decision, database.path)
            record(Write(what, decision.id, Fate.WRITTEN))
            return
    with changing(database, what, identity=decision.id) as connection:
        insert(connection, decision)


def insert(connection: Connection, decision: Pending) -> None:
    """Insert a decision that waits for its audit entry; one that is filed already stays."""
    row = dialect.insert(connection, switch).values(id=decision.id, decision=encoded(decision))
    connection.execute(row.on_conflict_do_nothing(index_elements=["id"]))


def encoded(decision: Pending) -> str:
    """Return a pending decision as JSON."""
    return msgspec.json.encode(decision).decode()


def pending_in(connection: Connection) -> list[Pending]:
    """Return those that are not filed, in the order in which they were made. Raises IntegrityFailed for a damaged one."""
    found = [*_rows(connection), *(one for one in _files(connection) if not _is_filed(connection, one))]
    return sorted({one.id: one for one in found}.values(), key=lambda one: (one.at, one.id))


def ids_in(connection: Connection) -> str:
    """Return the ids of those that may be pending, for a reader that looks again and again."""
    rows = connection.execute(select(switch.c.id).order_by(switch.c.id)).scalars().all()
    folder = _folder_of(connection)
    return " ".join([*rows, *(sorted(file.name for file in _in(folder)) if folder else ())])


def mark(connection: Connection) -> tuple[int, str]:
    """Return ``counter`` and ``chain`` of a decision that is made by what this connection reads."""
    counter = connection.execute(select(status_counter.c.n)).scalar_one()
    return int(counter), _chain(connection)


def forget(connection: Connection, filed: list[Pending]) -> None:
    """Take what is filed with this transaction from the table. Its files stay for ``KEPT_SECONDS``, and older ones go."""
    for one in filed:
        connection.execute(delete(switch).where(switch.c.id == one.id))
    folder = _folder_of(connection)
    new = {f"{one.id}{_SUFFIX}" for one in filed}
    for file in _in(folder) if folder else ():
        with suppress(OSError):  # another user's: a later command of that user takes it away
            if file.name in new:
                os.utime(file)
            elif file.stat().st_mtime < time.time() - KEPT_SECONDS:
                file.unlink()


def _rows(connection: Connection) -> Iterator[Pending]:
    for identity, decision in connection.execute(select(switch.c.id, switch.c.decision)):
        yield _decoded(str(decision).encode(), f"{identity} of the table switch")


def _files(connection: Connection) -> Iterator[Pending]:
    folder = _folder_of(connection)
    found = [*_in(folder)] if folder else []
    chain = _chain(connection) if found else ""
    for file in found:
        with suppress(FileNotFoundError):
            one = _decoded(file.read_bytes(), str(file))
            if one.chain in {"", chain}:
                yield one


def _is_filed(connection: Connection, one: Pending) -> bool:
    if one.event == "freeze":
        filed = select(freezes.c.id).where(freezes.c.id == one.id)
    else:
        filed = select(caller_keys.c.id).where(caller_keys.c.id == one.target, caller_keys.c.revoked_at.is_not(None))
    return connection.execute(filed).first() is not None


def _decoded(content: bytes, where: str) -> Pending:
    try:
        return msgspec.json.decode(content, type=Pending)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise IntegrityFailed(
            f"the pending decision {where} is not as it was written",
            code="entry-damaged",
            hint="take it away, and freeze or revoke anew what it was about",
        ) from None


def _chain(connection: Connection) -> str:
    return str(connection.execute(select(audit.c.hash).where(audit.c.seq == 1)).scalar() or "")


def _folder_of(connection: Connection) -> Path | None:
    if not dialect.is_sqlite(connection):
        return None
    file = connection.execute(text("SELECT file FROM pragma_database_list WHERE name = 'main'")).scalar()
    return _folder(Path(str(file)))


def _folder(path: Path) -> Path:
    """Return the folder beside the file itself, whatever links lead there."""
    return Path(f"{os.path.realpath(path)}-switch")


def _in(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder) if name.endswith(_SUFFIX)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _write(folder: Path, decision: Pending, beside: Path) -> None:
    """Write the file under another name, onto the disk, and give it its own. Raises OSError.

    Whoever may read or write the database may read or write the folder and the file.
    """
    status = beside.stat()
    if not folder.is_dir():
        _make(folder, status)
    draft = folder / f"{decision.id}.draft"
    try:
        with draft.open("xb") as file:
            _share(file.fileno(), status)
            os.fchmod(file.fileno(), status.st_mode & 0o666)
            file.write(encoded(decision).encode())
            file.flush()
            os.fsync(file.fileno())
        draft.rename(folder / f"{decision.id}{_SUFFIX}")
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    _sync(folder)


def _make(folder: Path, like: os.stat_result) -> None:
    folder.mkdir(exist_ok=True)
    try:
        _share(folder, like)
        folder.chmod((like.st_mode & 0o666) | ((like.st_mode & 0o444) >> 2) | 0o700)
    except OSError:
        folder.rmdir()
        raise
    _sync(folder.parent)


def _share(file: Path | int, like: os.stat_result) -> None:
    """Give a file to the owner and group of the database, or at least to the group. Raises OSError."""
    try:
        os.chown(file, like.st_uid, like.st_gid)
    except PermissionError:
        os.chown(file, -1, like.st_gid)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

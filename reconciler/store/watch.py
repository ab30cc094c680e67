"""Looks at a database again and again, so that a change there is known at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from math import inf
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace
from sqlalchemy import Connection, select, text

from reconciler.errors import Refused
from reconciler.model.known import Known
from reconciler.model.live import DatabaseState
from reconciler.model.status import Status
from reconciler.store.connect import cut, exists, readable
from reconciler.store.dialect import is_sqlite
from reconciler.store.failures import translated
from reconciler.store.known import known_in
from reconciler.store.pending import ids_in
from reconciler.store.schema import require_usable, state_of
from reconciler.store.status import status_in
from reconciler.store.status_change import is_suspended
from reconciler.store.tables import projects, statuses
from reconciler.store.url import Database

T = TypeVar("T")
CONNECT_SECONDS = 2.0
FOREVER = 1e9
_OF_FILE = (
    "SELECT n, (SELECT group_concat(name || ' ' || generation) FROM projects), "
    "(SELECT group_concat(tenant || ' ' || uid) FROM (SELECT tenant, uid FROM statuses WHERE "
    f"({is_suspended(statuses)}) ORDER BY tenant, uid)), (SELECT n FROM status_counter), 0, 0 FROM row_counter"
)
# a number is drawn before its transaction commits: what is under way when we look has to be looked at once more
_OF_SERVER = (
    "SELECT (SELECT last_value FROM resource_row_version), "
    "(SELECT string_agg(name || ' ' || generation, ',' ORDER BY name) FROM projects), "
    "(SELECT string_agg(tenant || ' ' || uid, ',' ORDER BY tenant, uid) FROM statuses "
    f"WHERE ({is_suspended(statuses)})), (SELECT n FROM status_counter), "
    "pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
)


class Pulse(NamedTuple):
    """What moves with every change; two alike mean that nothing changed in between that had been committed.

    ``status`` moves with freezes and keys: with the counter, which an apply may hold, or with what is pending.
    """

    moves: tuple[Any, ...]
    status: tuple[Any, ...]
    oldest: int
    """The oldest transaction that was under way (PostgreSQL)."""
    next: int
    inode: tuple[int, int]


class World(NamedTuple):
    """All of one moment."""

    pulse: Pulse
    known: list[Known]
    status: Status
    generations: dict[str, int]


class Watch:
    """One connection without an end, for one thread at a time; it is opened again after any error."""

    def __init__(self, database: Database) -> None:
        self._database = replace(
            database, bounds=replace(database.bounds, connect=CONNECT_SECONDS, total=FOREVER), ends=inf
        )
        self._stack = ExitStack()
        self._connection: Connection | None = None
        self._inode = (0, 0)

    def pulse(self) -> Pulse:
        """Read the pulse. Raises whatever the database says, as errors that a user may see."""
        return self._look(_pulse)

    def world(self) -> World:
        def whole(connection: Connection, inode: tuple[int, int]) -> World:
            # first, so that what changes while the rest is read is seen by the next pulse
            pulse = _pulse(connection, inode)
            records = connection.execute(select(projects.c.name, projects.c.generation))
            generations = {name: generation for name, generation in records}  # noqa: C416
            return World(pulse, [*known_in(connection)], status_in(connection), generations)

        return self._look(whole)

    def status(self) -> tuple[Pulse, Status]:
        """Return the status of this moment alone, which takes no longer with many resources."""
        return self._look(lambda connection, inode: (_pulse(connection, inode), status_in(connection)))

    def close(self) -> None:
        self._connection = None
        self._stack.close()

    def abandon(self) -> Watch:
        """Cut the connection from under a look that hangs in another thread, and return a watch that can look again."""
        if self._connection is not None:
            with suppress(Exception):  # it may be ending by itself
                cut(self._connection)
        return Watch(self._database)

    def _look(self, work: Callable[[Connection, tuple[int, int]], T]) -> T:
        try:
            if self._inode != (inode := self._file()):
                self.close()  # another file has taken its place: a backup that was restored
                self._inode = inode
            with translated(self._database):
                connection = self._connection or self._open()
                with connection.begin():  # each look sees a moment of its own
                    return work(connection, inode)
        except BaseException:
            self.close()
            raise

    def _open(self) -> Connection:
        if not exists(self._database):
            raise Refused(
                f"{self._database.display} is not there", code="database-missing", hint="apply something first"
            )
        connection = self._connection = self._stack.enter_context(readable(self._database))
        with connection.begin():
            state = state_of(connection)
        require_usable(state, self._database)
        if state is not DatabaseState.CURRENT:
            raise Refused(f"{self._database.display} is empty", code="database-empty", hint="apply something first")
        return connection

    def _file(self) -> tuple[int, int]:
        if self._database.path is None:
            return 0, 0
        try:
            status = self._database.path.stat()
        except OSError:
            return 0, 0
        return status.st_dev, status.st_ino


def look(database: Database) -> World:
    """Return all that is in force at this moment. Raises whatever the database says, as errors that a user may see."""
    watch = Watch(database)
    try:
        return watch.world()
    finally:
        watch.close()


def _pulse(connection: Connection, inode: tuple[int, int]) -> Pulse:
    *moves, counter, oldest, following = connection.execute(
        text(_OF_FILE if is_sqlite(connection) else _OF_SERVER)
    ).one()
    return Pulse(tuple(moves), (counter, ids_in(connection)), oldest, following, inode)

"""What a statement may reach in a SQLite file, asked of by SQLite itself while it compiles the statement.

SQLite names a table, a column and the view, trigger or WITH from inside of which it is read. So a listed view may be read
without the tables behind it, and these are told apart by the statement's text: to read a table itself, it has to name it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable

from reconciler.kinds.template.names import Part
from reconciler.runtime.connectors.sql_common import Scope, refuse

_NAMES = """
    abs avg ceil ceiling coalesce char count cos sin tan concat concat_ws date datetime time julianday strftime timediff
    unixepoch degrees radians exp floor format printf glob group_concat hex ifnull iif instr json json_array
    json_array_length json_each json_tree json_extract json_object json_type json_valid json_group_array json_group_object
    json_quote -> ->> lag lead first_value last_value nth_value ntile rank dense_rank row_number percent_rank cume_dist
    length like ln log log10 log2 lower ltrim max min mod nullif octet_length pow power quote random replace round rtrim
    sign sqrt string_agg substr substring sum total trim trunc typeof unicode upper likely unlikely likelihood
"""
_FUNCTIONS = frozenset(_NAMES.split())
_OPEN = frozenset({"json_each", "json_tree"})
"""Functions that are read like tables, and hold nothing but their arguments."""
_INTERNAL = re.compile(r"sqlite_|pragma_|(?:dbstat|bytecode|tables_used)\Z", re.IGNORECASE)
_READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
_CHANGES = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_TRIGGERS = "SELECT name FROM main.sqlite_master WHERE type = 'trigger'"
_TABLES = "SELECT name, type FROM main.sqlite_master WHERE type IN ('table', 'view')"

Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


class Guard:
    """One connection's judge: it knows the file's tables, and the text of the statement that is compiled at this moment."""

    def __init__(self, scope: Scope, may_write: bool) -> None:
        self._scope, self._may_write = scope, may_write
        self._functions = _FUNCTIONS | {name.replace('"', "").lower() for name in scope.functions}
        self._text, self._version = "", -1
        self.tables: set[str] = set()
        self.functions: set[str] = set()
        self._tables: frozenset[str] = frozenset()
        self._behind: frozenset[str] = frozenset()
        self._vouched: frozenset[str] = frozenset()
        self.asks = True

    def begin(self, connection: sqlite3.Connection, sql: str, version: int | None = None) -> None:
        """Judge the statement that comes next, by the schema as it is now; ``version`` is the schema's where that is known."""
        self._text, self.tables, self.functions = sql.lower(), set(), set()
        if not self._scope.tables:
            return
        self.asks = False
        try:
            if version is None:
                (version,) = connection.execute("PRAGMA main.schema_version").fetchone()
            if version != self._version:
                self._look(connection)
                self._version = version
        finally:
            self.asks = True

    def refuse(self) -> None:
        """Raise Failed where it was the datasource that does not list something."""
        refuse(functions=sorted(self.functions), tables=sorted(self.tables))

    def authorize(self, action: int, one: str | None, two: str | None, _database: str | None, inner: str | None) -> int:
        """Whether a statement may do that; what is not named here is denied."""
        if not self.asks or self._may(action, one or "", two or "", inner):
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    def _may(self, action: int, one: str, two: str, inner: str | None) -> bool:
        if action == sqlite3.SQLITE_FUNCTION:
            return self._noted(two.lower() in self._functions, self.functions, two)
        if action == sqlite3.SQLITE_READ:
            return self._may_read(one, two, inner)
        if action in _CHANGES and self._may_write:
            return not _INTERNAL.match(one) and self._may_change(one, inner)
        return action in _READS

    def _may_read(self, table: str, column: str, inner: str | None) -> bool:
        if _INTERNAL.match(table):
            return False
        if not self._scope.tables or table in _OPEN or self._lists(table):
            return True
        name = table.lower()
        if not column and name not in self._tables:
            return True  # a WITH of which no column is read
        behind = self._vouches(inner) or (not column and name in self._behind)
        return self._noted(behind and not self._names(name), self.tables, table)

    def _may_change(self, table: str, inner: str | None) -> bool:
        if not self._scope.tables or self._lists(table):
            return True
        return self._noted(self._vouches(inner) and not self._names(table.lower()), self.tables, table)

    def _vouches(self, inner: str | None) -> bool:
        """Whether that is a listed view or what is behind one, or a trigger: none that the statement opens itself."""
        name = (inner or "").lower()
        return name in self._vouched and (self._lists(name) or not self._names(name))

    def _noted(self, allowed: bool, into: set[str], name: str) -> bool:
        if not allowed:
            into.add(name)
        return allowed

    def _lists(self, table: str) -> bool:
        return not self._scope.unlisted(((Part(table, True),),))

    def _names(self, table: str) -> bool:
        """Whether the statement's text may name the table: only then it can read it without a view or a trigger."""
        return re.search(rf"(?<!\w){re.escape(table)}(?!\w)", self._text) is not None

    def _look(self, connection: sqlite3.Connection) -> None:
        """Note the file's tables, its triggers, and what is behind the views that are listed."""
        found = connection.execute(_TABLES).fetchall()
        behind: set[str] = set()
        vouched = {str(name).lower() for (name,) in connection.execute(_TRIGGERS)}
        for name in (str(name) for name, kind in found if kind == "view" and self._lists(str(name))):
            quoted = name.replace('"', '""')
            try:
                connection.set_authorizer(_recorder(behind, vouched))
                connection.execute(f'SELECT * FROM main."{quoted}" LIMIT 0').close()
            except sqlite3.Error:
                continue  # it can't be read by anybody
            finally:
                connection.set_authorizer(self.authorize)
        self._tables = frozenset(str(name).lower() for name, _ in found)
        self._behind, self._vouched = frozenset(behind), frozenset(vouched)


def _recorder(behind: set[str], vouched: set[str]) -> Authorizer:
    def record(action: int, one: str | None, _two: str | None, _database: str | None, inner: str | None) -> int:
        if action == sqlite3.SQLITE_READ:
            behind.add((one or "").lower())
        if inner:
            vouched.add(inner.lower())
        return sqlite3.SQLITE_OK

    return record

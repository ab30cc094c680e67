"""The tables of the runtime's store, made where there are none; rows are only ever added, but for counters, slots and approvals."""

from __future__ import annotations

import calendar
import time
from typing import NamedTuple

from reconciler.errors import Refused
from reconciler.runtime.ledger.revision_4 import fourth
from reconciler.runtime.ledger.revision_5 import fifth
from reconciler.runtime.ledger.revision_6 import sixth
from reconciler.runtime.ledger.revision_7 import seventh
from reconciler.runtime.ledger.revision_8 import eighth
from reconciler.runtime.ledger.revision_9 import ninth

REVISION = 9
CLOCK = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "extract(epoch FROM clock_timestamp())::float8",
}
"""The store's own time by its dialect: seconds since 1970."""
_FIRST = (
    "CREATE TABLE runtime_schema (version TEXT NOT NULL)",
    "INSERT INTO runtime_schema VALUES ('1')",
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE counters (
  tenant TEXT NOT NULL, target TEXT NOT NULL, unit TEXT NOT NULL, period TEXT NOT NULL, n BIGINT NOT NULL,
  PRIMARY KEY (tenant, target, unit, period))""",
    # a slot is a lease: one that a killed process held ends by itself
    """CREATE TABLE slots (
  tenant TEXT NOT NULL, target TEXT NOT NULL, id TEXT NOT NULL, ends {real} NOT NULL, PRIMARY KEY (tenant, target, id))""",
    "CREATE INDEX slots_by_id ON slots (id)",
    """CREATE TABLE intents (
  id {id} PRIMARY KEY, at {real} NOT NULL, ends {real} NOT NULL, tenant TEXT NOT NULL, caller TEXT NOT NULL, run TEXT NOT NULL,
  target TEXT NOT NULL, connector TEXT NOT NULL, action TEXT NOT NULL, value_hash TEXT NOT NULL, policy TEXT NOT NULL,
  generation BIGINT NOT NULL, drifted INTEGER NOT NULL){parts}""",
    "CREATE INDEX intents_by_tenant ON intents (tenant, id)",
    """CREATE TABLE outcomes (
  id {id} PRIMARY KEY, at {real} NOT NULL, outcome TEXT NOT NULL, result_rows BIGINT, size BIGINT NOT NULL,
  duration_ms BIGINT NOT NULL, code TEXT NOT NULL){parts}""",
    """CREATE TABLE denials (
  id {id} PRIMARY KEY, at {real} NOT NULL, tenant TEXT NOT NULL, caller TEXT NOT NULL, target TEXT NOT NULL,
  reason TEXT NOT NULL, policy TEXT NOT NULL, generation BIGINT NOT NULL, n BIGINT NOT NULL){parts}""",
    "CREATE INDEX denials_by_tenant ON denials (tenant, id)",
)
_REPEATS = (
    """CREATE TABLE repeats (
  tenant TEXT NOT NULL, caller TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL, id TEXT NOT NULL, at {real} NOT NULL,
  kept {bytes}, PRIMARY KEY (tenant, caller, key))""",
    "CREATE INDEX repeats_by_id ON repeats (id)",
)
_TENANT = "NULLIF(current_setting('reconciler.tenant', true), '')"
_OWN = {
    "intents": f"tenant = {_TENANT}",
    "denials": f"tenant = {_TENANT}",
    # what may be seen of an outcome is what may be seen of its intent
    "outcomes": "EXISTS (SELECT 1 FROM intents i WHERE i.id = outcomes.id)",
    "counters": f"tenant = {_TENANT}",
    "slots": f"tenant = {_TENANT}",
}


def _security(table: str, own: str) -> tuple[str, ...]:
    """PostgreSQL: who is not the server sees one tenant, the one that its transaction says, and nothing without saying one."""
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",  # without it, policies don't hold for the owner at all
        f"CREATE POLICY server ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)",
        f"CREATE POLICY reader ON {table} FOR SELECT USING ({own})",
    )


REALS = {"sqlite": "REAL", "postgresql": "DOUBLE PRECISION"}
BYTES = {"sqlite": "BLOB", "postgresql": "BYTEA"}
OWNS = "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class c WHERE relname = 'runtime_schema' AND pg_table_is_visible(c.oid)"
"""PostgreSQL: whether this role may make partitions, and remove what is old."""
EXISTS = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE name = 'runtime_schema'",
    "postgresql": "SELECT count(*) FROM pg_class c WHERE relname = 'runtime_schema' AND pg_table_is_visible(c.oid)",
}


def statements(dialect: str, version: int, upto: int = REVISION) -> list[str]:
    """Everything that makes a store of that version (0: a new one) into a later one, but for partitions of months to come.

    Raises Refused for a store that a newer program has made.
    """
    if version > REVISION:
        raise Refused(
            f"the runtime's store is of version {version}, and this program knows versions up to {REVISION}",
            code="store-newer",
            hint="serve with the newer release, or name another store",
        )
    steps = (_first, _second, _third, fourth, fifth, sixth, seventh, eighth, ninth)
    made = [statement for step in steps[version:upto] for statement in step(dialect)]
    return [*made, f"UPDATE runtime_schema SET version = '{upto}'"] if version < upto else []


def _first(dialect: str) -> list[str]:
    if dialect != "postgresql":
        return [table.format(real=REALS[dialect], id="TEXT", parts="") for table in _FIRST]
    made = [
        table.format(real=REALS[dialect], id='TEXT COLLATE "C"', parts=" PARTITION BY RANGE (id)") for table in _FIRST
    ]
    rest = [f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT" for table in PARTITIONED]
    return [*made, *rest, *(one for table, own in _OWN.items() for one in _security(table, own))]


def _second(dialect: str) -> list[str]:
    made = [table.format(real=REALS[dialect], bytes=BYTES[dialect]) for table in _REPEATS]
    return [*made, *(_security("repeats", f"tenant = {_TENANT}") if dialect == "postgresql" else ())]


def _third(dialect: str) -> list[str]:
    """PostgreSQL: a role that may insert and does not own. Of what it added it sees the columns that it has a grant for."""
    if dialect != "postgresql":
        return []
    # as a subquery it is asked once for a statement, and not for each row
    may_add = "(SELECT has_table_privilege('{}', 'INSERT'))"
    return [
        *(f"CREATE POLICY writer ON {table} FOR INSERT WITH CHECK (true)" for table in PARTITIONED),
        *(
            f"CREATE POLICY writer_looks ON {table} FOR SELECT USING ({may_add.format(table)})"
            for table in ("intents", "outcomes")
        ),
        *(
            f"CREATE POLICY writer ON {table} USING ({may_add.format(table)}) WITH CHECK (true)"
            for table in ("counters", "slots", "repeats")
        ),
    ]


PARTITIONED = ("intents", "outcomes", "denials")
"""PostgreSQL: by months. An id begins with its time, so that it is the key of a row and of its partition at once."""


def first_id(moment: float) -> str:
    """Return what sorts before every id that is made from this moment on: 56 bits of microseconds, then zeros."""
    return f"{int(moment * 1_000_000):014x}{'0' * 18}"


def month_of(now: float, ahead: int = 0) -> tuple[str, str, str]:
    """Return the name of a month's partitions, the first id in it, and the first behind it."""
    at = time.gmtime(now)
    months = at.tm_year * 12 + at.tm_mon - 1 + ahead
    begins, ends = (calendar.timegm((month // 12, month % 12 + 1, 1, 0, 0, 0)) for month in (months, months + 1))
    year, month = divmod(months, 12)
    return f"{year:04d}_{month + 1:02d}", first_id(begins), first_id(ends)


class Partition(NamedTuple):
    """Of one table, for one month: its name, the first id in it, and the first behind it."""

    table: str
    name: str
    first: str
    behind: str


def partitions(now: float) -> list[Partition]:
    """Those that have to be there: of this month and of the next one."""
    months = [month_of(now), month_of(now, 1)]
    return [Partition(table, f"{table}_{name}", *bounds) for name, *bounds in months for table in PARTITIONED]

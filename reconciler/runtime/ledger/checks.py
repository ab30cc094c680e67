"""The check of `db verify` on the runtime's store: its schema, its partitions, and what can't be there."""

from __future__ import annotations

import time
from uuid import UUID

from sqlalchemy import Connection, text

from reconciler.history.checks import Check, Finder, run
from reconciler.runtime.ledger.numbers import DICTIONARIES
from reconciler.runtime.ledger.reading import opened
from reconciler.runtime.ledger.schema import PARTITIONED, REVISION, partitions
from reconciler.store.describe import describe
from reconciler.store.structure import compare, read_facts
from reconciler.store.url import Database

_BOUNDS = (
    "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = to_regclass(:table)"
)
_ORPHANS = "SELECT count(*) FROM outcomes o WHERE NOT EXISTS (SELECT 1 FROM intents i WHERE i.id = o.id)"


_UNNAMED = (
    "SELECT count(*) FROM (SELECT {number} AS k FROM intents UNION ALL SELECT {number} FROM denials) AS n "
    "WHERE k <> 0 AND NOT EXISTS (SELECT 1 FROM {table} d WHERE d.number = k)"
)
_NAMED = dict(zip(("subject", "path", "policy"), DICTIONARIES.values(), strict=True))


def check(store: Database) -> Check:
    """Check the store; one that is not there, or not readable, is a finding."""

    def work(finder: Finder) -> str:
        with opened(store) as connection:
            _check(connection, finder)
            calls = connection.execute(text("SELECT count(*) FROM intents")).scalar_one()
        return f"{calls} calls; the schema is that of version {REVISION}"

    return run("evidence", work)


def _check(connection: Connection, finder: Finder) -> None:
    dialect = connection.dialect.name
    facts = read_facts("reconciler.runtime.ledger", dialect)
    for one in compare(facts.at(str(REVISION)), describe(connection, "runtime_schema"), facts.tables):
        finder.add(one.sentence())
    if dialect == "postgresql":
        _check_partitions(connection, finder)
    orphans = connection.execute(text(_ORPHANS)).scalar_one()
    if orphans:
        finder.add(f"{orphans} outcomes have no intent: evidence of calls was removed")
    for number, (table, _) in _NAMED.items():
        unnamed = connection.execute(text(_UNNAMED.format(number=number, table=table))).scalar_one()
        if unnamed:
            finder.add(f"{unnamed} calls name a number that {table} does not have: what they were is not known")


def _check_partitions(connection: Connection, finder: Finder) -> None:
    """Every month has one partition of each table, attached with the bounds of its name."""
    wanted = {one.name: one for one in partitions(time.time())}
    for table in PARTITIONED:
        bounds = connection.execute(text(_BOUNDS), {"table": table})
        found = {record.relname: record[1] for record in bounds}
        if f"{table}_rest" not in found:
            finder.add(f"the partition {table}_rest is missing: evidence of other months has no place")
        for name, one in wanted.items():
            bound = f"FOR VALUES FROM ('{UUID(one.first)}') TO ('{UUID(one.behind)}')"
            if one.table == table and name in found and found[name] != bound:
                finder.add(f"the partition {name} is {found[name]}, expected {bound}")

"""PostgreSQL: a store of the first form, whose evidence has no partitions, turned into one of version 1 as it is today.

Version 1 was changed twice after stores had been made with it: row-level security came first, then partitions.
"""

from __future__ import annotations

import re
from typing import Any

from reconciler.errors import Refused
from reconciler.runtime.ledger.schema import OWNS, PARTITIONED, statements

REPAIR_SECONDS = 600.0
"""A whole table is copied."""
FIRST_FORM = (
    "SELECT count(*) > 0 FROM pg_class c WHERE c.relname = 'intents' AND c.relkind = 'r' AND pg_table_is_visible(c.oid)"
)
"""Whether there is a store whose evidence has no partitions."""
_SECURED = "SELECT c.relrowsecurity FROM pg_class c WHERE c.relname = 'intents' AND c.relkind = 'r' AND pg_table_is_visible(c.oid)"


async def repair(connection: Any) -> None:
    """Part of a transaction that holds the store's lock: another server may have been here first. Raises Refused where this role is not the owner."""
    secured = await connection.fetchval(_SECURED)
    if secured is None:
        return
    if not await connection.fetchval(OWNS):
        raise Refused(
            "the runtime's store was made before evidence had partitions",
            code="store-older",
            hint="run `reconciler evidence prepare` as the owner of its tables: that adds them and keeps the rows",
        )
    for statement in repairs(secured):
        await connection.execute(statement, timeout=REPAIR_SECONDS)


def repairs(secured: bool) -> list[str]:
    """Return the statements that give evidence its partitions, and every table row-level security where it has none."""
    made = statements("postgresql", 0, 1)
    tables = [one for one in made if _names(one, PARTITIONED) and not _secures(one)]
    security = [one for one in made if _secures(one) and (_names(one, PARTITIONED) or not secured)]
    return [
        *(f"ALTER TABLE {table} RENAME TO {table}_first" for table in PARTITIONED),
        *(f"ALTER TABLE {table}_first DROP CONSTRAINT {table}_pkey" for table in PARTITIONED),
        "DROP INDEX intents_by_tenant, denials_by_tenant",
        *tables,
        *(f"INSERT INTO {table} SELECT * FROM {table}_first" for table in PARTITIONED),
        # the policy of outcomes reads intents
        *(f"DROP TABLE {table}_first" for table in ("outcomes", "intents", "denials")),
        *security,
    ]


def _names(statement: str, tables: tuple[str, ...]) -> bool:
    """Whether a statement makes, indexes, partitions or secures one of the tables."""
    return (
        re.match(rf"(CREATE|ALTER) (TABLE|INDEX|POLICY) (\w+ ON )?({'|'.join(tables)})(_rest)?\b", statement)
        is not None
    )


def _secures(statement: str) -> bool:
    return "ROW LEVEL SECURITY" in statement or statement.startswith("CREATE POLICY")

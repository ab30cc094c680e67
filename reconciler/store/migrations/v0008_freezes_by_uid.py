"""A freeze stores the uid of what it froze, so that it follows a rename; it stays by name where nothing has that name."""

from sqlalchemy import Connection

_STATEMENTS = (
    "ALTER TABLE freezes ADD COLUMN tenant TEXT",
    "ALTER TABLE freezes ADD COLUMN uid TEXT",
    # the freeze that an operator made, of which this one is a copy for the resource's next life
    "ALTER TABLE freezes ADD COLUMN origin TEXT",
    """UPDATE freezes SET
  (tenant, uid) = (SELECT r.tenant, r.uid FROM resources r WHERE r.tenant || '/' || r.kind || '/' || r.name = freezes.target)
  WHERE lifted_at IS NULL""",
    "UPDATE freezes SET origin = id",
    "CREATE INDEX caller_keys_by_uid ON caller_keys (tenant, uid)",
    "CREATE INDEX freezes_in_force ON freezes (tenant, uid) WHERE lifted_at IS NULL",
)


def upgrade(connection: Connection) -> None:
    for statement in _STATEMENTS:
        connection.exec_driver_sql(statement)

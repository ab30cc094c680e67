"""What each `encrypted://` of a resource means: the uid of the secret that stood behind the name when it was applied.

What is live already is bound to the secrets that are there now.
"""

from sqlalchemy import Connection

_TABLES = (
    """CREATE TABLE bindings (
  tenant TEXT NOT NULL, uid TEXT NOT NULL, name TEXT NOT NULL, secret_uid TEXT NOT NULL, PRIMARY KEY (tenant, uid, name))""",
    "CREATE INDEX bindings_by_name ON bindings (tenant, name, secret_uid)",
)
_LIVE = """INSERT INTO bindings (tenant, uid, name, secret_uid)
SELECT r.tenant, r.uid, s.name, s.uid FROM resources r JOIN secrets s ON s.tenant = r.tenant
WHERE {holds} > 0"""
_REFERENCE = "'\"encrypted://' || s.name || '\"'"
_HOLDS = {"postgresql": f"strpos(r.spec::text, {_REFERENCE})", "sqlite": f"instr(r.spec, {_REFERENCE})"}


def upgrade(connection: Connection) -> None:
    for table in _TABLES:
        connection.exec_driver_sql(table)
    connection.exec_driver_sql(_LIVE.format(holds=_HOLDS[connection.dialect.name]))

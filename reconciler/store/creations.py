"""New resources as one set: staged once, then written into `resources`, `applied` and history by a statement each."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from reconciler.store.bulk import copied, run_many


class Creation(NamedTuple):
    """A resource of which nothing was there before; ``position`` is its change's in history, from 1, ``explicit`` is JSON."""

    position: int
    tenant: str
    kind: str
    name: str
    uid: str
    spec: str
    spec_version: int
    digest: str
    explicit: str
    source: str | None
    cause: str


_TYPES = {"position": "integer", "spec_version": "integer"}
_APPLIED = "tenant, kind, name, uid, spec, spec_version, digest, explicit, source"
_CHANGE = "position, tenant, kind, name, uid, explicit, source, cause, spec_version"


def stage(connection: Connection, creations: list[Creation]) -> None:
    """They stay until the end of the transaction, on SQLite of the connection, which ends with it."""
    columns = ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in Creation._fields)
    if connection.dialect.name == "sqlite":
        connection.execute(text(f"CREATE TEMPORARY TABLE creations ({columns})"))
        marks = ", ".join("?" * len(Creation._fields))
        run_many(connection, f"INSERT INTO temp.creations VALUES ({marks})", creations)
    else:
        connection.execute(text(f"CREATE TEMPORARY TABLE creations ({columns}) ON COMMIT DROP"))
        copied(connection, "pg_temp.creations", Creation._fields, creations)


def write(connection: Connection, project: str, actor: str, generation: int, last: int) -> None:
    """Into `resources` and `applied`; ``last`` is the ``row_version`` before theirs, on SQLite, where the trigger leaves
    them alone. PostgreSQL reads each body once for both: its witness is the hash of what it keeps."""
    given: dict[str, Any] = {"project": project, "actor": actor, "generation": generation}
    applied = (
        f"INSERT INTO applied (project, generation, {_APPLIED}, digest_of) SELECT :project, :generation, {_APPLIED}, "
    )
    if connection.dialect.name == "sqlite":
        sql = (
            "INSERT INTO resources (tenant, kind, name, uid, spec, spec_version, project, created_by, changed_by, "
            "row_version, changed_at) SELECT tenant, kind, name, uid, spec, spec_version, :project, :actor, :actor, "
            ":last + rowid, strftime('%Y-%m-%dT%H:%M:%SZ','now') FROM temp.creations"
        )
        connection.execute(text(sql), {**given, "last": last})
        connection.execute(text(f"{applied} digest FROM temp.creations"), given)
        return
    sql = (
        "WITH c AS MATERIALIZED (SELECT *, CAST(spec AS jsonb) AS body FROM pg_temp.creations), r AS ("
        "INSERT INTO resources (tenant, kind, name, uid, spec, spec_version, project, created_by) "
        f"SELECT tenant, kind, name, uid, body, spec_version, :project, :actor FROM c) {applied} md5(body::text) FROM c"
    )
    connection.execute(text(sql), given)


def record(connection: Connection, project: str, generation: int) -> None:
    """Into history."""
    connection.execute(
        text(
            f"INSERT INTO changes (project, generation, action, after, {_CHANGE}) "
            f"SELECT :project, :generation, 'create', spec, {_CHANGE} FROM {_staged(connection)}"
        ),
        {"project": project, "generation": generation},
    )


def _staged(connection: Connection) -> str:
    return "temp.creations" if connection.dialect.name == "sqlite" else "pg_temp.creations"

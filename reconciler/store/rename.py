"""Gives a project another name, in one transaction; ownership and history follow."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, update

from reconciler.committed import Write, record
from reconciler.errors import ReconcilerError, Refused
from reconciler.model.audit import Actor
from reconciler.model.live import DatabaseState
from reconciler.store.audit import note
from reconciler.store.connect import exists
from reconciler.store.failures import ConnectionLost, Contended, DatabaseFailed, ended
from reconciler.store.schema import require_usable, state_of
from reconciler.store.tables import applied, projects, resources
from reconciler.store.transact import transacting
from reconciler.store.url import Database

WAIT_SECONDS = 30.0


def rename(database: Database, old: str, new: str, actor: Actor) -> int:
    """Rename a project and return how many resources it owns. Raises ReconcilerError where ``old`` is not there, Refused where ``new`` is."""
    if not exists(database):
        raise _not_there(database, old)
    write = record(Write(f"the name {new} of the project {old}"))
    try:
        with transacting(database, WAIT_SECONDS, write) as connection:
            count = _renamed(connection, database, old, new)
            note(connection, "project-rename", actor, {"from": old, "to": new})
            return count
    except ConnectionLost as error:
        raise ended(error, database, " during the renaming; nothing was written", "try again") from None
    except Contended:
        raise DatabaseFailed(
            f"{database.display}: somebody else took the name {new}; nothing was written",
            code="connection-lost",
            hint="see `reconciler db status`, and try again",
        ) from None


def _not_there(database: Database, old: str) -> ReconcilerError:
    return ReconcilerError(
        f"there is no project {old!r} in {database.display}",
        code="no-such-project",
        hint="see `reconciler db status`",
    )


def _renamed(connection: Connection, database: Database, old: str, new: str) -> int:
    state = state_of(connection)
    require_usable(state, database)
    if state is not DatabaseState.CURRENT:
        raise _not_there(database, old)
    if connection.execute(select(projects.c.name).where(projects.c.name == new)).first():
        raise Refused(f"there is a project {new!r} already; two projects can't become one", code="project-exists")
    # what it applied and its history follow by their foreign keys; an apply that goes on is waited for
    changed = connection.execute(update(projects).values(name=new).where(projects.c.name == old))
    if changed.rowcount != 1:
        raise _not_there(database, old)
    connection.execute(update(resources).values(project=new).where(resources.c.project == old))
    count = connection.execute(select(func.count()).where(applied.c.project == new)).scalar_one()
    return int(count)

"""Everything that is live or was applied, of all projects, turned into what the runtime knows."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, text

from reconciler.errors import Refused
from reconciler.model.address import Address
from reconciler.model.known import Known, Text
from reconciler.model.live import DatabaseState
from reconciler.store.connect import exists, reading
from reconciler.store.schema import require_usable, state_of
from reconciler.store.url import Database

_AGREES = "r.digest = a.digest AND r.spec_version = a.spec_version"


def read_known(database: Database) -> list[Known]:
    """In one snapshot. Raises Refused where the database is not ours, or not of this schema."""
    if not exists(database):
        raise Refused(f"{database.display} is not there", code="database-missing", hint="apply something first")
    with reading(database) as connection:
        state = state_of(connection)
        require_usable(state, database)
        return [] if state is not DatabaseState.CURRENT else [*known_in(connection)]


def known_in(connection: Connection) -> Iterator[Known]:
    """Ownership is address and uid, as for a plan. The database is believed where it vouches for a digest."""
    applied = _applied_policies(connection)
    sqlite = connection.dialect.name == "sqlite"
    body, agrees = ("r.spec", _AGREES) if sqlite else ("r.spec::text", f"{_AGREES} AND r.digest_of = md5(r.spec::text)")
    records: Any = connection.execute(
        text(
            f"SELECT r.tenant, r.kind, r.name, r.uid, {body}, r.spec_version, r.digest, {agrees}, a.project, "
            "s.suspended_at IS NOT NULL FROM resources r "
            "LEFT JOIN applied a ON (a.tenant, a.kind, a.name, a.uid) = (r.tenant, r.kind, r.name, r.uid) "
            "LEFT JOIN statuses s ON (s.tenant, s.uid) = (r.tenant, r.uid)"
        )
    )
    for tenant, kind, name, uid, spec, version, digest, agreed, project, suspended in records:
        address = Address(tenant, kind, name)
        spec = spec.decode(errors="replace") if isinstance(spec, bytes) else str(spec)
        settled = bool(agreed) and (not sqlite or blake2b(spec.encode(), digest_size=16).hexdigest() == digest)
        last = applied.pop(address, (None, None))[1] if kind == "policy" else None
        yield Known(address, uid, Text(spec, version), project, settled, None if settled else last, bool(suspended))
    for address, (owner, last) in applied.items():
        yield Known(address, "", None, owner, False, last)


def _applied_policies(connection: Connection) -> dict[Address, tuple[str | None, Text | None]]:
    """What was applied last under each policy's name: a deny counts until an apply takes it back."""
    sql = "SELECT tenant, kind, name, project, spec, spec_version FROM applied WHERE kind = 'policy' ORDER BY project"
    return {
        Address(tenant, kind, name): (project, Text(spec, version))
        for tenant, kind, name, project, spec, version in connection.execute(text(sql))
    }

"""Everything that is live or was applied, of all projects, turned into what the runtime knows."""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import suppress
from typing import Any

import orjson
from sqlalchemy import Connection, text

from reconciler.errors import Refused
from reconciler.kinds.meaning import as_applied
from reconciler.model.address import Address
from reconciler.model.known import Known, Text
from reconciler.model.live import DatabaseState
from reconciler.store.connect import exists, reading
from reconciler.store.rows import (
    EVERYTHING,
    Where,
    at_addresses,
    in_tenants,
    read_applied,
    read_rows,
    with_kind,
    witness_of,
)
from reconciler.store.schema import require_usable, state_of
from reconciler.store.seals import NOTHING_FITS, OUTDATED, Record, Seals, seals_of
from reconciler.store.status_change import SUSPENDED
from reconciler.store.url import Database


def read_known(database: Database) -> list[Known]:
    """In one snapshot. Raises Refused where the database is not ours, or not of this schema."""
    if not exists(database):
        raise Refused(f"{database.display} is not there", code="database-missing", hint="apply something first")
    with reading(database) as connection:
        state = state_of(connection)
        require_usable(state, database)
        return [] if state is not DatabaseState.CURRENT else [*known_in(connection)]


def read_governed(database: Database, tenants: Set[str], besides: Set[str]) -> list[Known]:
    """The same of those of the tenants that have a caller, and of ``besides``; empty where there is no database yet."""
    if not exists(database):
        return []
    with reading(database) as connection:
        return [*governed_in(connection, tenants, besides)] if state_of(connection) is DatabaseState.CURRENT else []


def read_suspended(database: Database, uids: Set[tuple[str, str]]) -> Set[tuple[str, str]]:
    """Which of these uids, by tenant, are suspended, whether anything has them now or not."""
    if not exists(database):
        return frozenset()
    with reading(database) as connection:
        is_ours = state_of(connection) is DatabaseState.CURRENT
        return suspended_of(connection, uids) if is_ours else frozenset()


def suspended_of(connection: Connection, uids: Set[tuple[str, str]]) -> Set[tuple[str, str]]:
    """The same on a connection. A status outlives its resource: a rollback brings it back with the uid."""
    found: set[tuple[str, str]] = set()
    for tenant in sorted({tenant for tenant, _ in uids}):
        sql = text(f"SELECT tenant, uid FROM statuses s WHERE tenant = :tenant AND {SUSPENDED.format('s')}")
        found |= {(own, uid) for own, uid in connection.execute(sql, {"tenant": tenant})}
    return found & uids


def read_limited(database: Database, tenants: Set[str], kind: str) -> list[Known]:
    """Return the tenants' resources of the kind that sets limits, and of each what its `target` names."""
    if not exists(database):
        return []
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return []
        sql, values = in_tenants(connection, tenants)
        limits = [*known_in(connection, (f"{sql} AND r.kind = :limit", {**values, "limit": kind}))]
        return [*limits, *known_in(connection, at_addresses(connection, filter(None, map(_target, limits))))]


def _target(limit: Known) -> Address | None:
    """Return what a limit is about; None for a whole tenant, and for a body that somebody broke by hand."""
    with suppress(ValueError, AttributeError, TypeError):
        return Address.parse(f"{limit.address.tenant}/{orjson.loads(limit.live.json if limit.live else '')['target']}")
    return None


def governed_in(connection: Connection, tenants: Set[str], besides: Set[str]) -> Iterator[Known]:
    """Yield what is known of those of the tenants that have a caller, and of ``besides``."""
    chosen = with_kind(connection, "caller", tenants) | besides
    if chosen:
        yield from known_in(connection, in_tenants(connection, chosen))


def known_in(connection: Connection, where: Where = EVERYTHING) -> Iterator[Known]:
    """Ownership is address and uid, as for a plan; whether live is as it was applied is judged as for a plan too."""
    applied, seals = _applied_policies(connection, where), _all_seals(connection)
    sqlite = connection.dialect.name == "sqlite"
    body, fits = ("r.spec", "1") if sqlite else ("r.spec::text", "a.digest_of = md5(r.spec::text)")
    records: Any = connection.execute(
        text(
            f"SELECT r.tenant, r.kind, r.name, r.uid, {body}, r.spec_version, a.digest_of, "
            f"a.spec_version = r.spec_version AND {fits}, a.project, {SUSPENDED.format('s')}, a.digest, a.mac, "
            f"a.generation, {OUTDATED.format('a') if seals is not None else 'NULL'} FROM resources r "
            "LEFT JOIN applied a ON (a.tenant, a.kind, a.name, a.uid) = (r.tenant, r.kind, r.name, r.uid) "
            f"LEFT JOIN statuses s ON (s.tenant, s.uid) = (r.tenant, r.uid) WHERE {where[0]}"
        ),
        where[1],
    )
    doubtful = []
    for tenant, kind, name, uid, spec, version, witness, agreed, project, suspended, *sealed in records:
        address = Address(tenant, kind, name)
        spec = spec.decode(errors="replace") if isinstance(spec, bytes) else str(spec)
        settled = bool(agreed) and (not sqlite or witness_of(spec) == witness)
        if settled and seals is not None and (own := seals.get(project, NOTHING_FITS)) is not None:
            digest, mac, generation, outdated = sealed
            record = Record(tenant, kind, name, uid, digest, witness, version, generation)
            settled = not outdated and own.fit(record, mac)
        last = applied.pop(address, (None, None))[1] if kind == "policy" else None
        known = Known(address, uid, Text(spec, version), project, settled, None if settled else last, bool(suspended))
        if settled or project is None:
            yield known
        else:
            doubtful.append(known)
    meant = _mean_what_was_applied(connection, doubtful)
    yield from (one._replace(settled=True, applied=None) if one.address in meant else one for one in doubtful)
    for address, (owner, last) in applied.items():
        yield Known(address, "", None, owner, False, last)


def _mean_what_was_applied(connection: Connection, doubtful: list[Known]) -> set[Address]:
    """Which of these rows, whose witness does not fit, still mean what was applied."""
    found = set()
    for project in sorted({one.project or "" for one in doubtful}):
        where = at_addresses(connection, (one.address for one in doubtful if one.project == project))
        applied = read_applied(connection, project, where)
        for address, row in read_rows(connection, where).items():
            with suppress(Refused):  # written by a newer reconciler: nobody here knows what it means
                if address in applied and as_applied(row, applied[address]):
                    found.add(address)
    return found


def _all_seals(connection: Connection) -> dict[str, Seals | None] | None:
    """Return those of every project that has a row, by its name; None where no key is known."""
    if connection.info.get("keys") is None:
        return None
    names = connection.execute(text("SELECT name FROM projects")).scalars().all()
    return {name: seals_of(connection, name) for name in names}


def _applied_policies(connection: Connection, where: Where) -> dict[Address, tuple[str | None, Text | None]]:
    """What was applied last under each policy's name: a deny counts until an apply takes it back."""
    sql = (
        "SELECT r.tenant, r.kind, r.name, r.project, r.spec, r.spec_version FROM applied r "
        f"WHERE r.kind = 'policy' AND {where[0]} ORDER BY r.project"
    )
    return {
        Address(tenant, kind, name): (project, Text(spec, version))
        for tenant, kind, name, project, spec, version in connection.execute(text(sql), where[1])
    }

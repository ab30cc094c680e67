"""Reads what is live and what was applied, of all projects, as what the runtime knows."""

from __future__ import annotations

from collections.abc import Iterator, Set
from contextlib import suppress
from typing import Any

import orjson
from sqlalchemy import Connection, and_, null, select

from reconciler.errors import Refused
from reconciler.kinds.meaning import as_applied
from reconciler.kinds.table import RESTRICTING
from reconciler.model.address import Address
from reconciler.model.known import Known, Text
from reconciler.model.live import DatabaseState
from reconciler.store.connect import exists, reading
from reconciler.store.dialect import body_text, fits, hashes_bodies
from reconciler.store.rows import (
    Where,
    at_addresses,
    everything,
    in_tenants,
    read_applied,
    read_rows,
    with_kind,
    witness_of,
)
from reconciler.store.schema import require_usable, state_of
from reconciler.store.seals import NOTHING_FITS, Record, Seals, outdated, seals_of
from reconciler.store.status_change import is_suspended
from reconciler.store.tables import ADDRESS, LIFE, applied, columns, projects, resources, same, statuses
from reconciler.store.url import Database


def read_known(database: Database) -> list[Known]:
    """Read everything in one snapshot. Raises Refused where the database is not ours, or not of this schema."""
    if not exists(database):
        raise Refused(f"{database.display} is not there", code="database-missing", hint="apply something first")
    with reading(database) as connection:
        state = state_of(connection)
        require_usable(state, database)
        return [] if state is not DatabaseState.CURRENT else [*known_in(connection)]


def read_governed(database: Database, tenants: Set[str], besides: Set[str]) -> list[Known]:
    """Read ``besides`` and those of the tenants that have a caller; nothing where there is no database yet."""
    if not exists(database):
        return []
    with reading(database) as connection:
        return [*governed_in(connection, tenants, besides)] if state_of(connection) is DatabaseState.CURRENT else []


def read_suspended(database: Database, uids: Set[tuple[str, str]]) -> Set[tuple[str, str]]:
    """Return which of these uids, by tenant, are suspended, whether anything has them now or not."""
    if not exists(database):
        return frozenset()
    with reading(database) as connection:
        is_ours = state_of(connection) is DatabaseState.CURRENT
        return suspended_of(connection, uids) if is_ours else frozenset()


def suspended_of(connection: Connection, uids: Set[tuple[str, str]]) -> Set[tuple[str, str]]:
    """Do what ``read_suspended`` does on a connection. A status outlives its resource: a rollback brings the uid back."""
    found: set[tuple[str, str]] = set()
    for tenant in sorted({tenant for tenant, _ in uids}):
        key = select(statuses.c.tenant, statuses.c.uid)
        held = key.where(statuses.c.tenant == tenant, is_suspended(statuses))
        found |= {(own, uid) for own, uid in connection.execute(held)}
    return found & uids


def read_limited(database: Database, tenants: Set[str], kind: str) -> list[Known]:
    """Return the tenants' resources of the kind that sets limits, and of each what its `target` names."""
    if not exists(database):
        return []
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return []
        chosen = in_tenants(connection, tenants)
        limits = [*known_in(connection, lambda table: and_(chosen(table), table.c.kind == kind))]
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


def known_in(connection: Connection, where: Where = everything) -> Iterator[Known]:
    """Yield what is known. Owner, and whether live is as it was applied, are judged as for a plan."""
    restrictions, seals = _applied_restrictions(connection, where), _all_seals(connection)
    hashed_here = not hashes_bodies(connection)
    r, a, s = resources.alias("r"), applied.alias("a"), statuses.alias("s")
    agrees = and_(a.c.spec_version == r.c.spec_version, fits(a.c.digest_of, r.c.spec))
    chosen = select(
        *(*columns(r, LIFE), body_text(r.c.spec), r.c.spec_version, a.c.digest_of, agrees, a.c.project),
        *(is_suspended(s), a.c.digest, a.c.mac, a.c.generation),
        outdated(a) if seals is not None else null(),
    ).select_from(r.outerjoin(a, same(a, r, LIFE)).outerjoin(s, same(s, r, ("tenant", "uid"))))
    records: Any = connection.execute(chosen.where(where(r)))
    doubtful = []
    for tenant, kind, name, uid, spec, version, witness, agreed, project, suspended, *sealed in records:
        address = Address(tenant, kind, name)
        spec = spec.decode(errors="replace") if isinstance(spec, bytes) else str(spec)
        settled = bool(agreed) and (not hashed_here or witness_of(spec) == witness)
        if settled and seals is not None and (own := seals.get(project, NOTHING_FITS)) is not None:
            digest, mac, generation, is_outdated = sealed
            record = Record(tenant, kind, name, uid, digest, witness, version, generation)
            settled = not is_outdated and own.fit(record, mac)
        last = restrictions.pop(address, (None, None))[1] if kind in RESTRICTING else None
        known = Known(address, uid, Text(spec, version), project, settled, None if settled else last, bool(suspended))
        if settled or project is None:
            yield known
        else:
            doubtful.append(known)
    meant = _mean_what_was_applied(connection, doubtful)
    yield from (one._replace(settled=True, applied=None) if one.address in meant else one for one in doubtful)
    for address, (owner, last) in restrictions.items():
        yield Known(address, "", None, owner, False, last)


def _mean_what_was_applied(connection: Connection, doubtful: list[Known]) -> set[Address]:
    """Return which of these rows, whose witness does not fit, still mean what was applied."""
    found = set()
    for project in sorted({one.project or "" for one in doubtful}):
        where = at_addresses(connection, (one.address for one in doubtful if one.project == project))
        known = read_applied(connection, project, where)
        for address, row in read_rows(connection, where).items():
            with suppress(Refused):  # written by a newer reconciler: nobody here knows what it means
                if address in known and as_applied(row, known[address]):
                    found.add(address)
    return found


def _all_seals(connection: Connection) -> dict[str, Seals | None] | None:
    """Return those of every project that has a row, by its name; None where no key is known."""
    if connection.info.get("keys") is None:
        return None
    names = connection.execute(select(projects.c.name)).scalars().all()
    return {name: seals_of(connection, name) for name in names}


def _applied_restrictions(connection: Connection, where: Where) -> dict[Address, tuple[str | None, Text | None]]:
    """Return what was applied last under the name of each policy and guardrail: it counts until an apply takes it back."""
    r = applied.alias("r")
    chosen = select(*columns(r, ADDRESS), r.c.project, r.c.spec, r.c.spec_version)
    records: Any = connection.execute(chosen.where(r.c.kind.in_(RESTRICTING), where(r)).order_by(r.c.project))
    return {
        Address(tenant, kind, name): (project, Text(spec, version))
        for tenant, kind, name, project, spec, version in records
    }

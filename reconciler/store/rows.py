"""Reads rows of `resources`, `applied` and `projects` as values of the model, for readers and for the writing transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeAlias

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    case,
    exists,
    func,
    null,
    or_,
    select,
    true,
    tuple_,
)

from reconciler.errors import IntegrityFailed, Path
from reconciler.model.address import Address
from reconciler.model.body import paths_text
from reconciler.model.live import ADOPTED, Applied, Owner, ProjectRow, Row
from reconciler.model.plan import Touch
from reconciler.store.dialect import body_text, is_sqlite, listed, one_of, shown, witness
from reconciler.store.seals import Record, Seals, outdated, seals_of
from reconciler.store.tables import (
    ADDRESS,
    LIFE,
    applied,
    columns,
    generations,
    mask_key,
    projects,
    resources,
    same,
)

Where: TypeAlias = Callable[[FromClause], ColumnElement[bool]]
"""A condition on rows that have an address; it takes their table, or an alias of it."""

PROJECT_COLUMNS = columns(projects, ("name", "lineage", "environment", "generation", "git_commit"))
_RECORD = ("spec", "spec_version", "digest", "generation", "explicit", "moved_from", "source", "digest_of", "mac")


def everything(_table: FromClause) -> ColumnElement[bool]:
    """Select every row."""
    return true()


def witness_of(text: str) -> str:
    """Return SQLite's witness of a body: it keeps texts as they are written, so this is the digest of a canonical one."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def read_mask_key(connection: Connection) -> bytes:
    """Return the key of the fingerprints in masks: a secret of this database."""
    found: bytes | None = connection.info.get("mask_key")
    if found is None:
        stored = connection.execute(select(mask_key.c.key)).scalar_one_or_none()
        found = connection.info["mask_key"] = (stored or "").encode()
    return found


def in_tenants(connection: Connection, tenants: Iterable[str]) -> Where:
    """Return the condition that a row is of one of the tenants."""
    names = sorted(set(tenants))
    # every row has a kind: said so that SQLite goes by the key, in whose order `applied` lies too, and not by the uid's
    by_key = is_sqlite(connection)
    return lambda table: and_(one_of(connection, table.c.tenant, names), table.c.kind >= "" if by_key else true())


def at_addresses(connection: Connection, addresses: Iterable[Address]) -> Where:
    """Return the condition that a row has one of many addresses."""
    wanted = listed(connection, ADDRESS, sorted(set(addresses)))
    return lambda table: tuple_(*columns(table, ADDRESS)).in_(wanted)


def with_kind(connection: Connection, kind: str, tenants: Set[str]) -> set[str]:
    """Return those of the tenants in which a resource of this kind is live."""
    wanted = listed(connection, ("tenant",), [[name] for name in sorted(tenants)]).subquery()
    live = exists().where(resources.c.tenant == wanted.c.tenant, resources.c.kind == kind)
    return set(connection.execute(select(wanted.c.tenant).where(live)).scalars())


def peopled(connection: Connection, project: str, tenants: Set[str]) -> set[str]:
    """Return the tenants in which anything is live, or was applied by the project: in others no address is looked up."""
    wanted = listed(connection, ("tenant",), [[name] for name in sorted(tenants)]).subquery()
    live = exists().where(resources.c.tenant == wanted.c.tenant)
    known = exists().where(applied.c.project == project, applied.c.tenant == wanted.c.tenant)
    return set(connection.execute(select(wanted.c.tenant).where(or_(live, known))).scalars())


def read_rows(connection: Connection, where: Where, lock: str = "", but: Set[str] = frozenset()) -> dict[Address, Row]:
    """Return live rows in key order, without those that ``but`` names.

    ``lock`` is "", "UPDATE" or "SHARE"; SQLite's writer holds everything already.
    """
    r = resources.alias("r")
    body = (body_text(r.c.spec), r.c.spec_version, r.c.row_version, r.c.project, witness(r.c.spec))
    chosen = select(*columns(r, LIFE), *body, r.c.changed_by, shown(r.c.changed_at)).where(where(r))
    chosen = chosen.order_by(*columns(r, ADDRESS))
    if lock:
        chosen = chosen.with_for_update(read=lock == "SHARE")
    key = read_mask_key(connection)
    rows = {}
    for record in connection.execute(chosen):
        row = _row(tuple(record), key)
        if not but or str(row.address) not in but:
            rows[row.address] = row
    return rows


def _row(record: Sequence[Any], key: bytes) -> Row:
    tenant, kind, name, uid, spec, spec_version, row_version, project, seen, by, at = record
    if isinstance(spec, bytes):  # SQLite keeps whatever somebody wrote
        spec = spec.decode(errors="replace")
    touch = Touch(by or "unknown", at or "unknown")
    address = Address(tenant, kind, name)
    return Row(address, uid, spec, spec_version, row_version, project, seen or witness_of(spec), touch, key)


def read_applied(
    connection: Connection, project: str, where: Where, but: Set[str] = frozenset()
) -> dict[Address, Applied]:
    """Return what a project applied last, without what ``but`` names."""
    r, seals = applied.alias("r"), seals_of(connection, project)
    is_outdated = outdated(r) if seals else null()
    chosen = select(*columns(r, LIFE), *columns(r, _RECORD), is_outdated).where(r.c.project == project, where(r))
    key = read_mask_key(connection)
    found = (_applied(tuple(record), key, seals) for record in connection.execute(chosen))
    return {one.address: one for one in found if not but or str(one.address) not in but}


def _applied(record: Sequence[Any], key: bytes, seals: Seals | None) -> Applied:
    tenant, kind, name, uid, spec, spec_version, digest, generation, explicit, moved_from, source, *sealed = record
    seen, mac, is_outdated = sealed
    whole = Record(tenant, kind, name, uid, digest, seen, spec_version, generation)
    forged = seals is not None and (is_outdated or digest != witness_of(spec) or not seals.fit(whole, mac))
    return Applied(
        Address(tenant, kind, name),
        uid,
        spec,
        spec_version,
        digest,
        generation,
        paths_from_json(explicit),
        moved_from,
        source,
        seen,
        key,
        bool(forged),
    )


def read_owners(connection: Connection, project: str, where: Where) -> dict[Address, Owner]:
    """Return the other projects that own live rows; a claim to a row that somebody has deleted since counts no more."""
    r = applied.alias("r")
    marks = case((r.c.explicit.like(f'%"{ADOPTED}"%'), r.c.explicit))
    live = r.join(resources, same(resources, r, LIFE))
    chosen = select(*columns(r, ADDRESS), r.c.project, r.c.uid, marks).select_from(live)
    records: Any = connection.execute(chosen.where(r.c.project != project, where(r)))
    return {Address(t, k, n): Owner(owner, uid, _former(marks)) for t, k, n, owner, uid, marks in records}


def _former(marks: str | None) -> frozenset[str]:
    """Return the projects that the owner took the row from, which it remembers beside what its author wrote."""
    paths = paths_from_json(marks) if marks else ()
    return frozenset(str(path[1]) for path in paths if path[0] == ADOPTED and len(path) == 2)


def read_project(connection: Connection, name: str) -> ProjectRow | None:
    """Return a project's row and the id of its last apply. Raises what ``require_newest`` does."""
    last = and_(generations.c.project == projects.c.name, generations.c.number == projects.c.generation)
    apply_id = select(generations.c.apply_id).where(last).scalar_subquery()
    record = connection.execute(select(*PROJECT_COLUMNS, apply_id).where(projects.c.name == name)).first()
    found = project_row(record) if record else None
    require_newest(connection, name, found)
    return found


def require_newest(connection: Connection, name: str, found: ProjectRow | None) -> None:
    """Raise IntegrityFailed where history knows of an apply that the project's row does not: somebody changed that by hand."""
    chosen = select(func.max(generations.c.number)).where(generations.c.project == name)
    newest = connection.execute(chosen).scalar_one()
    if newest is not None and (found is None or found.generation < newest):
        row = f"says generation {found.generation}" if found else "is gone"
        raise IntegrityFailed(
            f"the row of the project {name!r} {row}, and history knows generation {newest}: somebody changed it by hand",
            code="project-row-damaged",
            hint=f"restore it from a backup of the table `projects`; its generation is {newest}",
        )


def project_row(record: Sequence[Any]) -> ProjectRow:
    """Build a project from its row."""
    return ProjectRow(*record)


def paths_to_json(paths: Iterable[Path]) -> str:
    """Return paths as canonical JSON."""
    return paths_text(paths if isinstance(paths, frozenset) else tuple(paths))


@lru_cache(maxsize=4096)
def paths_from_json(text_: str) -> frozenset[Path]:
    """Return no path where somebody damaged the text: paths tell who wrote a field, and nothing else goes by them."""
    try:
        return frozenset(tuple(path) for path in orjson.loads(text_))
    except (ValueError, TypeError):
        return frozenset()

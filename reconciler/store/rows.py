"""Turns rows of the database's tables into values of the model, for readers and for the writing transaction alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson
from sqlalchemy import Connection, text

from reconciler.errors import IntegrityFailed, Path
from reconciler.model.address import Address
from reconciler.model.live import ADOPTED, Applied, Owner, ProjectRow, Row
from reconciler.model.plan import Touch
from reconciler.store.seals import OUTDATED, Record, Seals, seals_of

Where = tuple[str, dict[str, Any]]
"""An SQL condition and its parameters."""

EVERYTHING: Where = ("1 = 1", {})
PROJECT_COLUMNS = "name, lineage, environment, generation, git_commit"
_APPLIED = (
    "r.tenant, r.kind, r.name, r.uid, r.spec, r.spec_version, r.digest, r.generation, r.explicit, r.moved_from, r.source, "
    "r.digest_of, r.mac"
)


def _row_columns(connection: Connection) -> str:
    """On PostgreSQL the database makes the witness of a body; on SQLite we do."""
    if connection.dialect.name == "sqlite":
        return "r.tenant, r.kind, r.name, r.uid, r.spec, r.spec_version, r.row_version, r.project, NULL, r.changed_by, r.changed_at"
    return (
        "r.tenant, r.kind, r.name, r.uid, r.spec::text, r.spec_version, r.row_version, r.project, md5(r.spec::text), "
        "r.changed_by, to_char(r.changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    )


def witness_of(text: str) -> str:
    """SQLite's witness of a body: it keeps texts as they are written, so this is the digest of a canonical one."""
    return blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def read_mask_key(connection: Connection) -> bytes:
    """What keys the fingerprints in masks: a secret of this database."""
    found: bytes | None = connection.info.get("mask_key")
    if found is None:
        stored = connection.execute(text("SELECT key FROM mask_key")).scalar_one_or_none()
        found = connection.info["mask_key"] = (stored or "").encode()
    return found


def in_tenants(connection: Connection, tenants: Iterable[str]) -> Where:
    names = sorted(set(tenants))
    if connection.dialect.name == "sqlite":
        # every kind is one: said so that SQLite goes by the key, in whose order `applied` lies too, and not by the uid's
        tenants = "r.tenant IN (SELECT value FROM json_each(:tenants)) AND r.kind >= ''"
        return tenants, {"tenants": orjson.dumps(names).decode()}
    return "r.tenant = ANY(:tenants)", {"tenants": names}


def at_addresses(connection: Connection, addresses: Iterable[Address]) -> Where:
    """A condition on ``r`` for many addresses in one statement."""
    wanted = sorted(set(addresses))
    parts = [list(column) for column in zip(*wanted, strict=True)] or [[], [], []]
    if connection.dialect.name == "sqlite":
        return (
            "(r.tenant, r.kind, r.name) IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), "
            "json_extract(value, '$[2]') FROM json_each(:wanted))",
            {"wanted": orjson.dumps([list(address) for address in wanted]).decode()},
        )
    return (
        "(r.tenant, r.kind, r.name) IN (SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:kinds AS text[]), CAST(:names AS text[])))",
        {"tenants": parts[0], "kinds": parts[1], "names": parts[2]},
    )


def _listed(connection: Connection, tenants: Set[str]) -> tuple[str, Any]:
    """A table of the tenants' names, and its parameter ``tenants``."""
    names = sorted(tenants)
    if connection.dialect.name == "sqlite":
        return "(SELECT value AS tenant FROM json_each(:tenants))", orjson.dumps(names).decode()
    return "(SELECT unnest(CAST(:tenants AS text[])) AS tenant)", names


def with_kind(connection: Connection, kind: str, tenants: Set[str]) -> set[str]:
    """Return those of the tenants in which a resource of this kind is live."""
    source, names = _listed(connection, tenants)
    sql = (
        f"SELECT t.tenant FROM {source} t WHERE EXISTS "
        "(SELECT 1 FROM resources r WHERE r.tenant = t.tenant AND r.kind = :kind)"
    )
    return set(connection.execute(text(sql), {"tenants": names, "kind": kind}).scalars())


def peopled(connection: Connection, project: str, tenants: Set[str]) -> set[str]:
    """Those of the tenants in which anything is live, or was applied by the project: no address of another is looked for."""
    source, names = _listed(connection, tenants)
    sql = (
        f"SELECT t.tenant FROM {source} t WHERE EXISTS (SELECT 1 FROM resources r WHERE r.tenant = t.tenant) "
        "OR EXISTS (SELECT 1 FROM applied a WHERE a.project = :project AND a.tenant = t.tenant)"
    )
    return set(connection.execute(text(sql), {"tenants": names, "project": project}).scalars())


def read_rows(connection: Connection, where: Where, lock: str = "", but: Set[str] = frozenset()) -> dict[Address, Row]:
    """Live rows in key order, without those that ``but`` names; ``lock`` is "", "UPDATE" or "SHARE" (SQLite's writer
    already holds everything)."""
    suffix = f" FOR {lock}" if lock and connection.dialect.name != "sqlite" else ""
    sql = (
        f"SELECT {_row_columns(connection)} FROM resources r WHERE {where[0]} ORDER BY r.tenant, r.kind, r.name{suffix}"
    )
    mask_key = read_mask_key(connection)
    rows = {}
    for record in connection.execute(text(sql), where[1]):
        row = _row(tuple(record), mask_key)
        if not but or str(row.address) not in but:
            rows[row.address] = row
    return rows


def _row(record: Sequence[Any], mask_key: bytes) -> Row:
    tenant, kind, name, uid, spec, spec_version, row_version, project, witness, by, at = record
    if isinstance(spec, bytes):  # SQLite keeps whatever somebody wrote
        spec = spec.decode(errors="replace")
    touch = Touch(by or "unknown", at or "unknown")
    address = Address(tenant, kind, name)
    return Row(address, uid, spec, spec_version, row_version, project, witness or witness_of(spec), touch, mask_key)


def read_applied(
    connection: Connection, project: str, where: Where, but: Set[str] = frozenset()
) -> dict[Address, Applied]:
    seals = seals_of(connection, project)
    outdated = OUTDATED.format("r") if seals else "NULL"
    sql = f"SELECT {_APPLIED}, {outdated} FROM applied r WHERE r.project = :project AND {where[0]}"
    mask_key = read_mask_key(connection)
    records = connection.execute(text(sql), {"project": project, **where[1]})
    found = (_applied(tuple(record), mask_key, seals) for record in records)
    return {applied.address: applied for applied in found if not but or str(applied.address) not in but}


def _applied(record: Sequence[Any], mask_key: bytes, seals: Seals | None) -> Applied:
    tenant, kind, name, uid, spec, spec_version, digest, generation, explicit, moved_from, source, *sealed = record
    witness, mac, outdated = sealed
    whole = Record(tenant, kind, name, uid, digest, witness, spec_version, generation)
    forged = seals is not None and (outdated or digest != witness_of(spec) or not seals.fit(whole, mac))
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
        witness,
        mask_key,
        bool(forged),
    )


def read_owners(connection: Connection, project: str, where: Where) -> dict[Address, Owner]:
    """The other projects that own what is live; a claim to a row that somebody has deleted since counts no more."""
    sql = (
        "SELECT r.tenant, r.kind, r.name, r.project, r.uid, "
        f"CASE WHEN r.explicit LIKE '%\"{ADOPTED}\"%' THEN r.explicit END FROM applied r JOIN resources l "
        "ON (l.tenant, l.kind, l.name, l.uid) = (r.tenant, r.kind, r.name, r.uid) "
        f"WHERE r.project <> :project AND {where[0]}"
    )
    records = connection.execute(text(sql), {"project": project, **where[1]})
    return {Address(t, k, n): Owner(owner, uid, _former(marks)) for t, k, n, owner, uid, marks in records}


def _former(marks: str | None) -> frozenset[str]:
    """The projects that the owner took the row from, which it remembers beside what its author wrote."""
    paths = paths_from_json(marks) if marks else ()
    return frozenset(str(path[1]) for path in paths if path[0] == ADOPTED and len(path) == 2)


def read_project(connection: Connection, name: str) -> ProjectRow | None:
    applied = "SELECT apply_id FROM generations g WHERE g.project = p.name AND g.number = p.generation"
    sql = f"SELECT {PROJECT_COLUMNS}, ({applied}) FROM projects p WHERE name = :name"
    record = connection.execute(text(sql), {"name": name}).first()
    found = project_row(record) if record else None
    require_newest(connection, name, found)
    return found


def require_newest(connection: Connection, name: str, found: ProjectRow | None) -> None:
    """Raises IntegrityFailed where history knows of an apply that the project's row does not: somebody deleted it or set it back."""
    newest = connection.execute(
        text("SELECT max(number) FROM generations WHERE project = :name"), {"name": name}
    ).scalar_one()
    if newest is not None and (found is None or found.generation < newest):
        row = f"says generation {found.generation}" if found else "is gone"
        raise IntegrityFailed(
            f"the row of the project {name!r} {row}, and history knows generation {newest}: somebody changed it by hand",
            code="project-row-damaged",
            hint=f"restore it from a backup of the table `projects`; its generation is {newest}",
        )


def project_row(record: Sequence[Any]) -> ProjectRow:
    return ProjectRow(*record)


@lru_cache(maxsize=4096)
def _json_of(paths: frozenset[Path] | tuple[Path, ...]) -> str:
    """Resources of one type mostly write the same paths."""
    return orjson.dumps(sorted((list(path) for path in paths), key=str)).decode()


def paths_to_json(paths: Iterable[Path]) -> str:
    return _json_of(paths if isinstance(paths, frozenset) else tuple(paths))


@lru_cache(maxsize=4096)
def paths_from_json(text_: str) -> frozenset[Path]:
    """None of them where somebody damaged the text: they tell whose doing a difference is, and nothing else."""
    try:
        return frozenset(tuple(path) for path in orjson.loads(text_))
    except (ValueError, TypeError):
        return frozenset()

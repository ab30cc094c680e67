"""Fingerprints of secrets read and written, by the uid of the resource: another life of a name knows nothing of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, text

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.model.fingerprint import Fingerprints, Seen
from reconciler.model.live import DatabaseState
from reconciler.store.changing import changing
from reconciler.store.connect import exists, reading
from reconciler.store.schema import state_of
from reconciler.store.url import Database


def read_fingerprints(database: Database, tenants: Iterable[str]) -> Fingerprints:
    """Of what is live; empty where nothing was checked yet."""
    if not exists(database):
        return {}
    found: dict[Address, dict[Path, Seen]] = defaultdict(dict)
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return {}
        sql = text(
            "SELECT r.tenant, r.kind, r.name, f.path, f.reference, f.fingerprint FROM fingerprints f "
            "JOIN resources r ON r.tenant = f.tenant AND r.uid = f.uid WHERE f.tenant = :tenant"
        )
        for tenant in sorted(set(tenants)):
            for *address, path, reference, mark in connection.execute(sql, {"tenant": tenant}):
                found[Address(*address)][tuple(json.loads(path))] = Seen(reference, mark)
    return found


def write_fingerprints(connection: Connection, seen: Fingerprints, forgotten: Mapping[Address, Iterable[Path]]) -> None:
    """Part of the caller's transaction: those of ``seen`` are kept, those of ``forgotten`` are no longer known."""
    if not seen and not forgotten:
        return
    uids = _uids(connection, {*seen, *forgotten})
    gone = [_key(uids[a], a, path) for a, paths in forgotten.items() if a in uids for path in paths]
    kept = [
        {**_key(uids[a], a, path), "reference": one.reference, "mark": one.mark}
        for a, fields in seen.items()
        if a in uids
        for path, one in fields.items()
    ]
    if gone:
        connection.execute(
            text("DELETE FROM fingerprints WHERE tenant = :tenant AND uid = :uid AND path = :path"), gone
        )
    if kept:
        connection.execute(
            text(
                "INSERT INTO fingerprints (tenant, uid, path, reference, fingerprint) "
                "VALUES (:tenant, :uid, :path, :reference, :mark) ON CONFLICT (tenant, uid, path) "
                "DO UPDATE SET reference = :reference, fingerprint = :mark"
            ),
            kept,
        )
    for tenant in sorted({address.tenant for address in uids}):
        connection.execute(
            text(
                "DELETE FROM fingerprints WHERE tenant = :tenant AND NOT EXISTS "
                "(SELECT 1 FROM resources r WHERE r.tenant = fingerprints.tenant AND r.uid = fingerprints.uid)"
            ),
            {"tenant": tenant},
        )


def keep_alone(database: Database, seen: Fingerprints) -> None:
    """In a transaction of its own."""
    with changing(database) as connection:
        write_fingerprints(connection, seen, {})


def _key(uid: str, address: Address, path: Path) -> dict[str, str]:
    return {"tenant": address.tenant, "uid": uid, "path": json.dumps([*path])}


def _uids(connection: Connection, addresses: Iterable[Address]) -> dict[Address, str]:
    sql = text("SELECT uid FROM resources WHERE tenant = :tenant AND kind = :kind AND name = :name")
    found = {a: connection.execute(sql, a._asdict()).scalar() for a in sorted(addresses)}
    return {address: uid for address, uid in found.items() if uid is not None}

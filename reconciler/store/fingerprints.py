"""Fingerprints of secrets read and written, by the uid of the resource: another life of a name knows nothing of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, delete, exists, select

from reconciler.errors import Path
from reconciler.model.address import Address
from reconciler.model.fingerprint import Fingerprints, Seen
from reconciler.model.live import DatabaseState
from reconciler.store.bulk import at, run_many, value
from reconciler.store.changing import changing
from reconciler.store.connect import exists as is_there
from reconciler.store.connect import reading
from reconciler.store.dialect import insert
from reconciler.store.schema import state_of
from reconciler.store.tables import ADDRESS, columns, equal, fingerprints, resources, same
from reconciler.store.url import Database

_KEY = ("tenant", "uid", "path")


def read_fingerprints(database: Database, tenants: Iterable[str]) -> Fingerprints:
    """Return the fingerprints of what is live; none where nothing was checked yet."""
    if not is_there(database):
        return {}
    found: dict[Address, dict[Path, Seen]] = defaultdict(dict)
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return {}
        f = fingerprints.c
        chosen = select(*columns(resources, ADDRESS), f.path, f.reference, f.fingerprint)
        live = chosen.select_from(fingerprints.join(resources, same(resources, fingerprints, ("tenant", "uid"))))
        for tenant in sorted(set(tenants)):
            for *address, path, reference, mark in connection.execute(live.where(f.tenant == tenant)):
                found[Address(*address)][tuple(json.loads(path))] = Seen(reference, mark)
    return found


def write_fingerprints(connection: Connection, seen: Fingerprints, forgotten: Mapping[Address, Iterable[Path]]) -> None:
    """Keep the fingerprints of ``seen`` and remove those of ``forgotten``, in the caller's transaction."""
    if not seen and not forgotten:
        return
    uids = _uids(connection, {*seen, *forgotten})
    gone = [_key(uids[a], a, path) for a, paths in forgotten.items() if a in uids for path in paths]
    kept = [
        (*_key(uids[a], a, path), one.reference, one.mark)
        for a, fields in seen.items()
        if a in uids
        for path, one in fields.items()
    ]
    run_many(connection, delete(fingerprints).where(at(fingerprints, _KEY)), _KEY, gone)
    names = (*_KEY, "reference", "fingerprint")
    row = insert(connection, fingerprints).values({name: value(fingerprints.c[name]) for name in names})
    new = {name: row.excluded[name] for name in names[len(_KEY) :]}
    run_many(connection, row.on_conflict_do_update(index_elements=[*_KEY], set_=new), names, kept)
    live = exists().where(same(resources, fingerprints, ("tenant", "uid")))
    for tenant in sorted({address.tenant for address in uids}):
        connection.execute(delete(fingerprints).where(fingerprints.c.tenant == tenant, ~live))


def keep_alone(database: Database, seen: Fingerprints) -> None:
    """Keep fingerprints in a transaction of its own."""
    with changing(database) as connection:
        write_fingerprints(connection, seen, {})


def _key(uid: str, address: Address, path: Path) -> tuple[str, str, str]:
    return address.tenant, uid, json.dumps([*path])


def _uids(connection: Connection, addresses: Iterable[Address]) -> dict[Address, str]:
    def uid_of(address: Address) -> str | None:
        own = equal(resources, address._asdict())
        found: str | None = connection.execute(select(resources.c.uid).where(own)).scalar()
        return found

    found = {address: uid_of(address) for address in sorted(addresses)}
    return {address: uid for address, uid in found.items() if uid is not None}

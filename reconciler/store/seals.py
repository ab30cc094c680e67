"""MACs of the records of what was applied: a record that somebody changed by hand is told from one that the tool wrote.

``HMAC-SHA256(key, lineage, address, uid, digest, witness, spec_version, generation)``, under a key of its own purpose, as ``KEY_ID:HEX`` in
`applied.mac`. The first apply with a key signs all records of the project, and says so in the audit trail: from then on one
without a MAC is forged too, and so are all of them where nobody left any. A record with the MAC of an earlier time is
one that history knows as older (``outdated``): nobody brings an earlier record back by hand.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, FromClause, Select, exists, or_, select, update

from reconciler.model.body import canonical
from reconciler.store.bulk import at, may_stage, run_many, run_staged, staging, value
from reconciler.store.dialect import is_sqlite
from reconciler.store.tables import ADDRESS, applied, audit, changes, columns, projects, same

if TYPE_CHECKING:
    from reconciler.secrets.keys import Keys

SIGNED_FOR = "records_signed_for"
"""The member of an apply's entry in the audit trail that names the lineage whose records it signed."""
_PURPOSE = b"reconciler applied record, format 2"
_PURPOSE_1 = b"reconciler applied record, format 1"
_MACS = staging("staged", columns(applied, (*ADDRESS, "mac")))


class Record(NamedTuple):
    """What a MAC covers of a record of `applied`."""

    tenant: str
    kind: str
    name: str
    uid: str
    digest: str
    witness: str | None
    spec_version: int
    generation: int


_RECORDS = columns(applied, ("digest_of" if name == "witness" else name for name in Record._fields))


def outdated(record: FromClause) -> ColumnElement[bool]:
    """Return whether a later generation changed or ended what has the address of a record of `applied`."""
    return exists().where(*(same(changes, record, (*ADDRESS, "project")), changes.c.generation > record.c.generation))


def records_where(*where: ColumnElement[bool]) -> Select[Any]:
    """Return what reads records of `applied`, each as the fields of ``Record`` and its MAC."""
    return select(*_RECORDS, applied.c.mac).where(*where)


class Seals(Struct, frozen=True):
    """The MACs of one project; its lineage stays when it gets another name."""

    lineage: str
    keys: Mapping[str, bytes]

    def fit(self, record: Record, mac: str | None) -> bool:
        """Whether the tool wrote the record, with one of the keys that are known."""
        key_id, _, _ = (mac or "").partition(":")
        key = self.keys.get(key_id)
        return key is not None and mac is not None and hmac.compare_digest(mac, self.mac(record, key_id))

    def mac(self, record: Record, key_id: str) -> str:
        return self._made(_PURPOSE, [self.lineage, *record], key_id)

    def fitted_before(self, record: Record, mac: str) -> bool:
        """Whether the tool wrote the record when MACs did not cover its generation (format 1)."""
        key_id = mac.partition(":")[0]
        return key_id in self.keys and hmac.compare_digest(
            mac, self._made(_PURPOSE_1, [self.lineage, *record[:-1]], key_id)
        )

    def _made(self, purpose: bytes, fields: list[Any], key_id: str) -> str:
        own = hmac.digest(self.keys[key_id], purpose, "sha256")
        return f"{key_id}:{hmac.digest(own, canonical(fields).encode(), 'sha256').hex()}"


NOTHING_FITS = Seals("", {})
"""Of a project without a row."""


def seals_of(connection: Connection, project: str) -> Seals | None:
    """Return a project's MACs; None where no key is known, or where no apply of it had one.

    Nothing fits a project without a row.
    """
    keys: Keys | None = connection.info.get("keys")
    if keys is None:
        return None
    sealed = exists().where(applied.c.project == projects.c.name, applied.c.mac.is_not(None))
    chosen = select(projects.c.lineage, sealed).where(projects.c.name == project)
    found = connection.execute(chosen).one_or_none()
    if found is None:
        return NOTHING_FITS
    lineage, signed = found
    return Seals(lineage, keys.by_id) if signed or _was_signed(connection, project, lineage) else None


def _was_signed(connection: Connection, project: str, lineage: str) -> bool:
    """Whether the audit trail knows of an apply that signed, under the project's name of today or an earlier one."""
    body, lineages = audit.c.body, f'%"{SIGNED_FOR}":"'
    own = or_(body.like(f'%"project":"{project}"%'), body.like(f'{lineages}{lineage}"%'))
    signed = exists().where(audit.c.key_id.is_not(None), body.like(f"{lineages}%"), own)
    return bool(connection.execute(select(signed)).scalar_one())


def seal(connection: Connection, project: str, lineage: str, generation: int) -> bool:
    """Sign the records of a generation and return True, where a key is known; all records of a project of which none was ever signed."""
    keys: Keys | None = connection.info.get("keys")
    if keys is None:
        return False
    own, seals = [applied.c.project == project], Seals(lineage, keys.by_id)
    if seals_of(connection, project) is not None:
        own.append(applied.c.generation == generation)
    records = [Record(*record) for *record, _mac in connection.execute(records_where(*own))]
    _write(connection, project, [(*record[:3], seals.mac(record, keys.primary)) for record in records])
    return True


def reseal(connection: Connection) -> int:
    """Give records with MACs of format 1 those of today; return how many. Part of `db upgrade`, where a key is known.

    Only of projects that no apply has signed since: of others, such a record is one that somebody brought back.
    """
    keys: Keys | None = connection.info.get("keys")
    if keys is None:
        return 0
    count = 0
    by_name = select(projects.c.name, projects.c.lineage).order_by(projects.c.name)
    for project, lineage in connection.execute(by_name).all():
        if _was_signed(connection, project, lineage):
            continue
        seals = Seals(lineage, keys.by_id)
        own = (applied.c.project == project, applied.c.mac.is_not(None), ~outdated(applied))
        found = [(Record(*record), mac) for *record, mac in connection.execute(records_where(*own))]
        before = [record for record, mac in found if seals.fitted_before(record, mac)]
        _write(connection, project, [(*record[:3], seals.mac(record, keys.primary)) for record in before])
        count += len(before)
    return count


def _write(connection: Connection, project: str, macs: list[tuple[str, ...]]) -> None:
    """Write MACs, each behind the address of its record."""
    names = (*ADDRESS, "mac")
    if not is_sqlite(connection) and may_stage(connection, len(macs)):
        statement = update(applied).values(mac=_MACS.c.mac).where(applied.c.project == project)
        run_staged(connection, _MACS, macs, statement.where(same(applied, _MACS, ADDRESS)))
        return
    statement = update(applied).values(mac=value(applied.c.mac)).where(at(applied, ("project", *ADDRESS)))
    run_many(connection, statement, (*names, "project"), [(*one, project) for one in macs])

"""MACs of the records of what was applied: a record that somebody changed by hand is told from one that the tool wrote.

``HMAC-SHA256(key, lineage, address, uid, digest, witness, spec_version, generation)``, under a key of its own purpose, as ``KEY_ID:HEX`` in
`applied.mac`. The first apply with a key signs all records of the project, and says so in the audit trail: from then on one
without a MAC is forged too, and so are all of them where nobody left any. A record with the MAC of an earlier time is
one that history knows as older (``OUTDATED``): nobody brings an earlier record back by hand.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct
from sqlalchemy import Connection, text

from reconciler.model.body import canonical
from reconciler.store.bulk import may_stage, run_many, staged

if TYPE_CHECKING:
    from reconciler.secrets.keys import Keys

SIGNED_FOR = "records_signed_for"
"""The member of an apply's entry in the audit trail that names the lineage whose records it signed."""
_PURPOSE = b"reconciler applied record, format 2"
_PURPOSE_1 = b"reconciler applied record, format 1"
RECORD_COLUMNS = "tenant, kind, name, uid, digest, digest_of, spec_version, generation"
OUTDATED = (
    "EXISTS (SELECT 1 FROM changes c WHERE (c.tenant, c.kind, c.name) = ({0}.tenant, {0}.kind, {0}.name) "
    "AND c.project = {0}.project AND c.generation > {0}.generation)"
)
"""Of a record of `applied`, whose alias is filled in: whether a later generation changed or ended what has this address."""


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
    """None where no key is known, or where the project was never applied with one. Nothing fits a project without a row."""
    keys: Keys | None = connection.info.get("keys")
    if keys is None:
        return None
    sql = (
        "SELECT lineage, EXISTS (SELECT 1 FROM applied a WHERE a.project = p.name AND a.mac IS NOT NULL) "
        "FROM projects p WHERE name = :project"
    )
    found = connection.execute(text(sql), {"project": project}).one_or_none()
    if found is None:
        return NOTHING_FITS
    lineage, signed = found
    return Seals(lineage, keys.by_id) if signed or _was_signed(connection, project, lineage) else None


def _was_signed(connection: Connection, project: str, lineage: str) -> bool:
    """Whether the audit trail knows of an apply that signed, under the project's name of today or an earlier one."""
    sql = (
        f'SELECT EXISTS (SELECT 1 FROM audit WHERE key_id IS NOT NULL AND body LIKE \'%"{SIGNED_FOR}":"%\' '
        "AND (body LIKE :project OR body LIKE :lineage))"
    )
    given = {"project": f'%"project":"{project}"%', "lineage": f'%"{SIGNED_FOR}":"{lineage}"%'}
    return bool(connection.execute(text(sql), given).scalar_one())


def seal(connection: Connection, project: str, lineage: str, generation: int) -> bool:
    """Sign the records of a generation and return True, where a key is known; all records of a project of which none was ever signed."""
    keys: Keys | None = connection.info.get("keys")
    if keys is None:
        return False
    chosen, seals = "project = :project", Seals(lineage, keys.by_id)
    if seals_of(connection, project) is not None:
        chosen += " AND generation = :generation"
    given = {"project": project, "generation": generation}
    found = connection.execute(text(f"SELECT {RECORD_COLUMNS} FROM applied WHERE {chosen}"), given)
    records = [Record(*record) for record in found]
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
    sql = text(
        f"SELECT {RECORD_COLUMNS}, mac FROM applied a WHERE project = :project AND mac IS NOT NULL AND NOT {OUTDATED.format('a')}"
    )
    for project, lineage in connection.execute(text("SELECT name, lineage FROM projects ORDER BY name")).all():
        if _was_signed(connection, project, lineage):
            continue
        seals = Seals(lineage, keys.by_id)
        found = [(Record(*record), mac) for *record, mac in connection.execute(sql, {"project": project})]
        before = [record for record, mac in found if seals.fitted_before(record, mac)]
        _write(connection, project, [(*record[:3], seals.mac(record, keys.primary)) for record in before])
        count += len(before)
    return count


def _write(connection: Connection, project: str, macs: list[tuple[str, ...]]) -> None:
    if connection.dialect.name == "sqlite":
        sql = "UPDATE applied SET mac = ? WHERE project = ? AND tenant = ? AND kind = ? AND name = ?"
        run_many(connection, sql, [(mac, project, *address) for *address, mac in macs])
    elif may_stage(connection, len(macs)):
        sql = (
            "UPDATE applied a SET mac = s.mac FROM pg_temp.staged s "
            "WHERE a.project = :project AND (a.tenant, a.kind, a.name) = (s.tenant, s.kind, s.name)"
        )
        columns = ("tenant text", "kind text", "name text", "mac text")
        staged(connection, columns, macs, sql, {"project": project})
    elif macs:
        sql = "UPDATE applied SET mac = :mac WHERE project = :project AND tenant = :tenant AND kind = :kind AND name = :name"
        connection.execute(text(sql), [_named(project, *one) for one in macs])


def _named(project: str, tenant: str, kind: str, name: str, mac: str) -> dict[str, Any]:
    return {"project": project, "tenant": tenant, "kind": kind, "name": name, "mac": mac}

"""Which secret each ``encrypted://`` of a live resource meant when it was applied, by the secret's uid.

A name says where a secret is kept, its uid which one it is: a row of `secrets` can be renamed by plain SQL.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, text

from reconciler.errors import IntegrityFailed
from reconciler.model.address import Address
from reconciler.model.binding import Meant, Replaced, Reviewed
from reconciler.model.live import DatabaseState
from reconciler.model.secret_ref import SecretRef
from reconciler.model.stored_secret import StoredSecret
from reconciler.store.connect import exists, reading
from reconciler.store.schema import state_of
from reconciler.store.url import Database

_DIFFERS = ("b.secret_uid < s.uid", "b.secret_uid > s.uid")
"""Two ranges of an index, and not `<>`: a name that thousands of resources use is looked up twice, not read through."""


def read_replaced(connection: Connection) -> Replaced:
    """The names behind which another secret is than the one that a live resource meant when it was applied."""
    found: dict[Address, frozenset[str]] = defaultdict(frozenset)
    sql = " UNION ALL ".join(
        # CROSS JOIN: SQLite keeps the order of the tables
        "SELECT r.tenant, r.kind, r.name, b.name FROM secrets s CROSS JOIN bindings b CROSS JOIN resources r "
        f"WHERE b.tenant = s.tenant AND b.name = s.name AND {differs} AND r.tenant = b.tenant AND r.uid = b.uid"
        for differs in _DIFFERS
    )
    for *address, name in connection.execute(text(sql)):
        found[Address(*address)] |= {name}
    return dict(found)


def meaning_another(connection: Connection, secret: StoredSecret) -> Address | None:
    """Return a live resource that means another secret of this name; None where there is none."""
    sql = (
        "SELECT r.kind, r.name FROM bindings b JOIN resources r ON r.tenant = b.tenant AND r.uid = b.uid "
        "WHERE b.tenant = :tenant AND b.name = :name AND b.secret_uid <> :uid ORDER BY r.kind, r.name LIMIT 1"
    )
    values = {"tenant": secret.tenant, "name": secret.name, "uid": secret.uid}
    user = connection.execute(text(sql), values).first()
    return None if user is None else Address(secret.tenant, *user)


def replaced(secret: StoredSecret, user: Address) -> IntegrityFailed:
    """Return the error for a secret that ``user`` does not mean by this name."""
    return IntegrityFailed(
        f"encrypted://{secret.name} points to another secret than the one that was applied to {user}",
        code="secret-replaced",
        hint="`reconciler plan` shows every such reference, and `reconciler apply` binds it to the new secret; "
        "`reconciler secrets access-log` shows who replaced it",
    )


def read_uids(database: Database, tenants: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return the uids of the secrets of some tenants, by tenant and name."""
    if not exists(database):
        return {}
    with reading(database) as connection:
        if state_of(connection) is not DatabaseState.CURRENT:
            return {}
        sql = text("SELECT name, uid FROM secrets WHERE tenant = :tenant")
        found = ((tenant, connection.execute(sql, {"tenant": tenant})) for tenant in sorted(set(tenants)))
        return {(tenant, name): uid for tenant, rows in found for name, uid in rows}


def replaced_since(connection: Connection, reviewed: Sequence[Reviewed]) -> list[Reviewed]:
    """Return those that are gone or replaced; the others stay what they are until the transaction ends."""
    if not reviewed:
        return []
    lock = "" if connection.dialect.name == "sqlite" else " FOR SHARE OF s"
    sql = f"SELECT s.tenant, s.name, s.uid FROM secrets s JOIN {_rows(connection, 2)} ON (s.tenant, s.name) = (x.a, x.b){lock}"
    rows = json.dumps([[one.tenant, one.name] for one in reviewed])
    now = {Reviewed(*record) for record in connection.execute(text(sql), {"rows": rows})}
    return [one for one in reviewed if one not in now]


def bind(connection: Connection, meant: Sequence[Meant]) -> None:
    """Part of the caller's transaction, after its writes: what was bound stays bound unless it is in ``ended``."""
    ended = [[one.address.tenant, one.uid, name] for one in meant for name in one.ended]
    begun = [[*one.address, name] for one in meant for name in one.names]
    if ended:
        rows = _rows(connection, 3)
        sql = f"DELETE FROM bindings WHERE (tenant, uid, name) IN (SELECT a, b, c FROM {rows})"
        connection.execute(text(sql), {"rows": json.dumps(ended)})
    if begun:
        sql = (
            "INSERT INTO bindings (tenant, uid, name, secret_uid) SELECT r.tenant, r.uid, s.name, s.uid "
            f"FROM {_rows(connection, 4)} JOIN resources r ON (r.tenant, r.kind, r.name) = (x.a, x.b, x.c) "
            "JOIN secrets s ON (s.tenant, s.name) = (x.a, x.d) WHERE 1 = 1 ON CONFLICT (tenant, uid, name) DO NOTHING"
        )
        connection.execute(text(sql), {"rows": json.dumps(begun)})


def bind_unbound(connection: Connection, secret: StoredSecret) -> None:
    """A new secret is what live resources mean that named it before there was any of this name."""
    spec = "spec" if connection.dialect.name == "sqlite" else "spec::text"
    sql = (
        "INSERT INTO bindings (tenant, uid, name, secret_uid) SELECT tenant, uid, :name, :uid FROM resources "
        f"WHERE tenant = :tenant AND ({spec} LIKE :reference OR {spec} LIKE :part) ON CONFLICT (tenant, uid, name) DO NOTHING"
    )
    values = {"tenant": secret.tenant, "name": secret.name, "uid": secret.uid}
    written = f'%"{SecretRef("encrypted", secret.name)}'
    connection.execute(text(sql), {**values, "reference": f'{written}"%', "part": f"{written}#%"})


def _rows(connection: Connection, width: int) -> str:
    """The parameter ``rows``, a JSON array of arrays of texts, as the table ``x`` with columns a, b and so on."""
    sqlite = connection.dialect.name == "sqlite"
    cell = "json_extract(value, '$[{}]')" if sqlite else "value->>{}"
    source = "json_each(:rows)" if sqlite else "json_array_elements(CAST(:rows AS json))"
    columns = ", ".join(f"{cell.format(at)} AS {'abcd'[at]}" for at in range(width))
    return f"(SELECT {columns} FROM {source}) x"

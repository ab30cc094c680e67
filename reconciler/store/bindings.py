"""Which secret each ``encrypted://`` of a live resource meant when it was applied, by the secret's uid.

A name says where a secret is kept, its uid which one it is: a row of `secrets` can be renamed by plain SQL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, literal, or_, select, text, true, tuple_

from reconciler.errors import IntegrityFailed
from reconciler.model.address import Address
from reconciler.model.binding import Meant, Replaced, Reviewed
from reconciler.model.live import DatabaseState
from reconciler.model.secret_ref import SecretRef
from reconciler.model.stored_secret import StoredSecret
from reconciler.store.connect import exists, reading
from reconciler.store.dialect import body_text, insert, listed, one_of
from reconciler.store.schema import state_of
from reconciler.store.tables import ADDRESS, bindings, columns, equal, resources, same, secrets
from reconciler.store.url import Database

_KEY = ("tenant", "uid", "name")
_DIFFERS = ("b.secret_uid < s.uid", "b.secret_uid > s.uid")
"""Two ranges of an index, and not `<>`: a name that thousands of resources use is looked up twice, not read through."""


def read_replaced(connection: Connection) -> Replaced:
    """Return the names behind which another secret is than the one that a live resource meant when it was applied."""
    found: dict[Address, frozenset[str]] = defaultdict(frozenset)
    sql = " UNION ALL ".join(
        # a text, for CROSS JOIN: by it SQLite keeps the order of the tables
        "SELECT r.tenant, r.kind, r.name, b.name FROM secrets s CROSS JOIN bindings b CROSS JOIN resources r "
        f"WHERE b.tenant = s.tenant AND b.name = s.name AND {differs} AND r.tenant = b.tenant AND r.uid = b.uid"
        for differs in _DIFFERS
    )
    for *address, name in connection.execute(text(sql)):
        found[Address(*address)] |= {name}
    return dict(found)


def meaning_another(connection: Connection, secret: StoredSecret) -> Address | None:
    """Return a live resource that means another secret of this name; None where there is none."""
    b = bindings.c
    own = and_(equal(bindings, {"tenant": secret.tenant, "name": secret.name}), b.secret_uid != secret.uid)
    name = columns(resources, ("kind", "name"))
    bound = bindings.join(resources, same(resources, bindings, ("tenant", "uid")))
    users = select(*name).select_from(bound).where(own).order_by(*name).limit(1)
    user = connection.execute(users).first()
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
        key = (secrets.c.tenant, secrets.c.name)
        chosen = select(*key, secrets.c.uid).where(one_of(connection, secrets.c.tenant, sorted(set(tenants))))
        return {(tenant, name): uid for tenant, name, uid in connection.execute(chosen)}


def replaced_since(connection: Connection, reviewed: Sequence[Reviewed]) -> list[Reviewed]:
    """Return those that are gone or replaced; the others stay what they are until the transaction ends."""
    if not reviewed:
        return []
    key = ("tenant", "name")
    wanted = tuple_(*columns(secrets, key)).in_(listed(connection, key, [(one.tenant, one.name) for one in reviewed]))
    chosen = select(*columns(secrets, Reviewed._fields)).where(wanted).with_for_update(read=True)
    now = {Reviewed(*record) for record in connection.execute(chosen)}
    return [one for one in reviewed if one not in now]


def bind(connection: Connection, meant: Sequence[Meant]) -> None:
    """Bind in the caller's transaction, after its writes: what was bound stays bound unless it is in ``ended``."""
    ended = [(one.address.tenant, one.uid, name) for one in meant for name in one.ended]
    begun = [(*one.address, name) for one in meant for name in one.names]
    if ended:
        key = columns(bindings, _KEY)
        connection.execute(delete(bindings).where(tuple_(*key).in_(listed(connection, _KEY, ended))))
    if begun:
        users = listed(connection, (*ADDRESS, "secret"), begun).subquery()
        secret = and_(secrets.c.tenant == users.c.tenant, secrets.c.name == users.c.secret)
        source = users.join(resources, same(resources, users, ADDRESS)).join(secrets, secret)
        values = (resources.c.tenant, resources.c.uid, secrets.c.name, secrets.c.uid)
        _insert(connection, select(*values).select_from(source))


def bind_unbound(connection: Connection, secret: StoredSecret) -> None:
    """Bind live resources that named a secret before there was any of this name to this new one."""
    written, spec = f'%"{SecretRef("encrypted", secret.name)}', body_text(resources.c.spec)
    users = and_(resources.c.tenant == secret.tenant, or_(spec.like(f'{written}"%'), spec.like(f"{written}#%")))
    values = (resources.c.tenant, resources.c.uid, literal(secret.name), literal(secret.uid))
    _insert(connection, select(*values).where(users))


def _insert(connection: Connection, source: Select[Any]) -> None:
    # SQLite reads the ON of an INSERT from SELECT as that of a join, but behind a WHERE
    row = insert(connection, bindings).from_select([*_KEY, "secret_uid"], source.where(true()))
    connection.execute(row.on_conflict_do_nothing(index_elements=[*_KEY]))

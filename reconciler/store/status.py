"""Freezes made, lifted and listed; and all of status as a runtime reads it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple
from uuid import uuid4

import orjson
from sqlalchemy import Column, Connection, and_, select, update

from reconciler.codes import Code
from reconciler.errors import ReconcilerError
from reconciler.kinds.nearest import nearest
from reconciler.kinds.table import KINDS, TOOL
from reconciler.kinds.tool import tools_in
from reconciler.model.address import Address
from reconciler.model.status import Freeze, FreezeEntry, Status, moment
from reconciler.model.target import PARTS, part_uid
from reconciler.store.audit import note
from reconciler.store.changing import current, is_current
from reconciler.store.connect import exists, reading
from reconciler.store.dialect import body_text
from reconciler.store.filing import changing_status, freezes_in
from reconciler.store.keys import read_keys
from reconciler.store.pending import Pending, mark, pending_in, put
from reconciler.store.secrets import Actor
from reconciler.store.tables import applied, caller_keys, equal, resources
from reconciler.store.tables import freezes as freezes_table
from reconciler.store.url import Database

MOST_NAMED = 5
"""Frozen targets in a hint."""


class UnknownTarget(ReconcilerError):
    """The target of a freeze or a suspension does not exist."""

    code: ClassVar[Code] = "unknown-target"


class NotFrozen(ReconcilerError):
    """The target is not frozen."""

    code: ClassVar[Code] = "not-frozen"


class _Found(NamedTuple):
    """What a target means now. ``uid`` is None for the platform, a tenant, a key, and a name that nothing has."""

    target: str
    exists: bool
    tenant: str | None = None
    uid: str | None = None


def freeze(database: Database, target: str, reason: str, actor: Actor, allow_unknown: bool = False) -> bool:
    """Freeze what ``target`` names, without waiting for any apply; return False where it is frozen already.

    ``filing.file`` makes the entry of the audit trail. With ``allow_unknown`` a name may be frozen before anything has it.
    Raises UnknownTarget.
    """
    with current(database) as connection:
        found = _find(connection, target)
        if not found.exists and not allow_unknown:
            hint = meant(connection, target)
            raise UnknownTarget(
                f"there is no {target}",
                hint=f"did you mean {hint}?"
                if hint
                else "see `reconciler list`, or freeze it ahead of time: --allow-unknown",
            )
        frozen = bool(_in_force(connection, found))
        counter, chain = mark(connection)
    now = moment(datetime.now(UTC))
    # also of what is frozen: an end of that freeze may be on its way
    decision = Pending(
        str(uuid4()),
        "freeze",
        now,
        actor.name,
        target,
        reason,
        found.tenant,
        found.uid,
        counter=counter,
        chain=chain,
    )
    put(database, decision)
    return not frozen


def unfreeze(database: Database, target: str, reason: str, actor: Actor) -> None:
    """Lift every freeze of what ``target`` names, or of the last resource that had this name and is gone.

    Raises UnknownTarget or NotFrozen where there is none.
    """
    with changing_status(database, actor, f"the end of the freeze of {target}") as connection:
        found = _find(connection, target)
        lifted = _in_force(connection, found) or [
            entry.freeze for entry in entries(connection) if entry.state == "ended" and entry.freeze.target == target
        ]
        if not lifted:
            raise _not_frozen(connection, found)
        for one in lifted:
            held = and_(freezes_table.c.origin == one.origin, freezes_table.c.lifted_at.is_(None))
            end = {"lifted_at": moment(datetime.now(UTC)), "lifted_by": actor.name}
            connection.execute(update(freezes_table).values(end).where(held))
        note(connection, "unfreeze", actor, {"target": target, "reason": reason})


def freezes(database: Database) -> list[FreezeEntry]:
    """Return every freeze that nobody has lifted, by the name that its target has now."""
    if not exists(database):
        return []
    with reading(database) as connection:
        return entries(connection) if is_current(connection, database) else []


def read_status(database: Database) -> Status:
    """Return what counts now; nothing where there is no database of ours yet. Raises Refused."""
    if not exists(database):
        return Status()
    with reading(database) as connection:
        return status_in(connection) if is_current(connection, database) else Status()


def status_in(connection: Connection) -> Status:
    """Return what counts now, with revoked and expired keys, so that they can be refused by name."""
    keys = {key.id: key for key in read_keys(connection)}
    return Status(keys, tuple(freezes_in(connection)), len(pending_in(connection)))


def _find(connection: Connection, target: str) -> _Found:
    parts = target.split("/")
    if len(parts) == 1:
        return _Found(target, True)
    if len(parts) == 2:
        column = resources.c.tenant if parts[0] == "tenant" else caller_keys.c.id
        found = connection.execute(select(column).where(column == parts[1]).limit(1)).first()
        return _Found(target, found is not None)
    tenant, kind, name = target.split("/", 2)
    if kind in PARTS and "/" in name:
        return _find_part(connection, target)
    if kind == TOOL:
        owners = [(uid, tools) for uid, tools in _tools(connection, tenant) if name in tools]
        if len(owners) != 1 or len(owners[0][1]) != 1:  # a freeze of the resource would stop its other tools too
            return _Found(target, bool(owners))
        return _Found(target, True, tenant, owners[0][0])
    own = equal(resources, {"tenant": tenant, "kind": kind, "name": name})
    uid = connection.execute(select(resources.c.uid).where(own)).scalar()
    return _Found(target, False) if uid is None else _Found(target, True, tenant, str(uid))


def _find_part(connection: Connection, target: str) -> _Found:
    """Find a part by its resource's uid, so that a freeze of it follows that, and stops nothing else of it."""
    tenant, word, name, part = target.split("/", 3)
    own = equal(resources, {"tenant": tenant, "kind": PARTS[word], "name": name})
    for uid, spec in connection.execute(select(resources.c.uid, body_text(resources.c.spec)).where(own)):
        if part in _parts(PARTS[word], spec):
            return _Found(target, True, tenant, part_uid(str(uid), part))
    return _Found(target, False)


def _parts(kind: str, spec: str) -> Collection[str]:
    calls, body = KINDS[kind].calls, orjson.loads(spec)
    return calls.parts(body) if calls is not None and calls.parts is not None and isinstance(body, dict) else ()


def _tools(connection: Connection, tenant: str) -> list[tuple[str, frozenset[str]]]:
    """Return the uid of each resource that agents see as tools, and the names of these."""
    found = []
    for kind in (name for name, one in KINDS.items() if one.calls is not None):
        own = equal(resources, {"tenant": tenant, "kind": kind})
        chosen = select(resources.c.uid, resources.c.name, body_text(resources.c.spec)).where(own)
        for uid, name, spec in connection.execute(chosen):
            body = orjson.loads(spec)
            if isinstance(body, dict) and (tools := tools_in(Address(tenant, kind, name), body)):
                found.append((str(uid), tools))
    return found


def meant(connection: Connection, target: str) -> str | None:
    """Return the name that was probably meant: where the resource was moved to, or one that looks alike."""
    parts = target.split("/")

    def names(column: Column[Any], **values: str) -> list[str]:
        chosen = select(column).where(equal(column.table, values)) if values else select(column).distinct()
        return [str(name) for name in connection.execute(chosen).scalars()]

    if len(parts) == 2:
        near = nearest(parts[1], names(resources.c.tenant if parts[0] == "tenant" else caller_keys.c.id))
        return f"{parts[0]}/{near}" if near else None
    tenant, kind, name = target.split("/", 2)
    if kind in PARTS and "/" in name:
        own = equal(resources, {"tenant": tenant, "kind": PARTS[kind]})
        listed = connection.execute(select(resources.c.name, body_text(resources.c.spec)).where(own))
        near = nearest(name, [f"{one}/{part}" for one, spec in listed for part in _parts(PARTS[kind], spec)])
        return f"{tenant}/{kind}/{near}" if near else None
    if kind == TOOL:
        near = nearest(name, [tool for _, own in _tools(connection, tenant) for tool in own])
        return f"{tenant}/{TOOL}/{near}" if near else None
    if renamed := names(applied.c.name, tenant=tenant, kind=kind, moved_from=target):
        return f"{tenant}/{kind}/{renamed[0]}"
    alike = names(resources.c.name, tenant=tenant, kind=kind)
    if near := nearest(name, alike):
        return f"{tenant}/{kind}/{near}"
    others = names(resources.c.tenant, kind=kind, name=name)
    near = nearest(tenant, others)
    return f"{near}/{kind}/{name}" if near else None


def _not_frozen(connection: Connection, found: _Found) -> ReconcilerError:
    listed = entries(connection)
    renamed = [entry.address for entry in listed if entry.freeze.target == found.target and entry.address]
    frozen = [entry.address or entry.freeze.target for entry in listed]
    near = renamed[0] if renamed else nearest(found.target, frozen)
    if near:
        hint = f"did you mean {near}?"
    elif frozen:
        more = f", and {len(frozen) - MOST_NAMED} more" if len(frozen) > MOST_NAMED else ""
        hint = f"frozen are {', '.join(frozen[:MOST_NAMED])}{more}"
    else:
        hint = "nothing is frozen"
    if found.exists:
        return NotFrozen(f"{found.target} is not frozen", hint=hint)
    return UnknownTarget(f"there is no {found.target}, and no freeze of it", hint=hint)


def _in_force(connection: Connection, found: _Found) -> list[Freeze]:
    """Return the freezes of one resource, and those of the name itself."""
    return [
        one
        for one in freezes_in(connection)
        if (one.target == found.target if one.uid is None else (one.tenant, one.uid) == (found.tenant, found.uid))
    ]


def entries(connection: Connection) -> list[FreezeEntry]:
    """Return one entry for each origin: the life that is live, or else the last one."""
    found: dict[str, FreezeEntry] = {}
    for freeze in freezes_in(connection):
        entry = _entry(connection, freeze)
        if freeze.origin not in found or entry.state != "ended":
            found[freeze.origin] = entry
    return sorted(found.values(), key=lambda entry: (entry.address or entry.freeze.target, entry.freeze.id))


def _entry(connection: Connection, freeze: Freeze) -> FreezeEntry:
    if freeze.uid is None:
        state = "in-force" if _find(connection, freeze.target).exists else "waiting"
        return FreezeEntry(freeze, freeze.target, state)
    whole, _, part = freeze.uid.partition("/")
    own = equal(resources, {"tenant": freeze.tenant, "uid": whole})
    found = connection.execute(select(resources.c.kind, resources.c.name).where(own)).first()
    if found is None:
        return FreezeEntry(freeze, None, "ended")
    word = next((word for word, kind in PARTS.items() if part and kind == found.kind), found.kind)
    return FreezeEntry(freeze, f"{freeze.tenant}/{word}/{found.name}{f'/{part}' if part else ''}", "in-force")

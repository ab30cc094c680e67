"""Finds writes that other tables know and the audit trail has no entry of: they show that its tail was cut.

Every such write made its entry in its own transaction. Compared is the newest of each table, by an id that the entry holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, text

from reconciler.store.dialect import place_of, tables_of
from reconciler.store.tables import applied, audit, caller_keys, freezes, generations, outbox, projects, secrets

_UUID = 36
"""Characters of a write's id. Copies of a freeze have shorter ids, and no entry of their own."""


def unknown_to_trail(connection: Connection) -> Iterator[str]:
    """Yield a sentence for each table that knows of a later write than the trail does.

    A table that is missing knows of nothing: that is for those to find who compare the schema.
    """
    there = {*connection.execute(text(tables_of(connection))).scalars()}
    for tables, compare in _COMPARED.items():
        if there.issuperset(tables):
            yield from compare(connection)


def _generations(connection: Connection) -> Iterator[str]:
    p, g = projects.c, generations.c
    last = generations.alias("last")
    newest = select(func.max(g.number)).where(g.project == p.name).correlate(projects).scalar_subquery()
    recorded = select(func.max(applied.c.generation)).where(applied.c.project == p.name).correlate(projects)
    source = projects.outerjoin(last, and_(last.c.project == p.name, last.c.number == newest))
    own = (p.name, p.generation, last.c.number, last.c.apply_id, last.c.at, recorded.scalar_subquery())
    chosen: Any = select(*own).select_from(source).order_by(p.name)
    began = _began(connection)
    for project, generation, number, apply_id, at, known in connection.execute(chosen).all():
        if number is not None and not _entered(connection, _member("apply_id", apply_id)):
            made, entered = _moment(at), _entered(connection, _member("event", "apply"), _member("project", project))
            # a project that has no entry at all may have been applied before there was a trail
            if entered or began is None or made is None or made > began:
                yield f"generation {number} of {project} has no entry"
        for what, other in ((f"{project} is at generation", generation), (f"{project} applied generation", known)):
            if isinstance(other, int) and other > (number or 0):
                yield f"{what} {other}, and history ends with {number or 0}"


def _outbox(connection: Connection) -> Iterator[str]:
    for record in connection.execute(select(outbox.c.event).order_by(outbox.c.seq.desc())).scalars():
        with suppress(ValueError, TypeError, LookupError):
            told = json.loads(record)["data"]
            if _entered(connection, _member("apply_id", told["apply_id"])):
                return
            yield f"a notification of generation {told['generation']} of {told['project']} has no entry"
            return


def _caller_keys(connection: Connection) -> Iterator[str]:
    k = caller_keys.c
    newest = select(k.id, k.tenant, k.caller).order_by(k.created_at.desc(), k.id).limit(1)
    for identity, tenant, caller in connection.execute(newest).all():
        if not _entered(connection, _member("key", identity)):
            yield f"the key {identity} of {tenant}/{caller} has no entry"


def _freezes(connection: Connection) -> Iterator[str]:
    f = freezes.c
    own = and_(func.length(f.id) == _UUID, or_(f.lifted_at.is_(None), f.lifted_at != f.frozen_at))
    newest = select(f.id, f.target).where(own).order_by(f.frozen_at.desc(), f.id).limit(1)
    for identity, target in connection.execute(newest).all():
        if not _entered(connection, _member("write", identity)):
            yield f"the freeze of {target} has no entry"


def _secrets(connection: Connection) -> Iterator[str]:
    s = secrets.c
    newest = select(s.tenant, s.name, s.uid, s.version).order_by(s.changed_at.desc(), s.uid).limit(1)
    for tenant, name, uid, version in connection.execute(newest).all():
        if not any(_entered(connection, _member("uid", uid), f'"version":{version}{end}') for end in ",}"):
            yield f"version {version} of the secret {tenant}/{name} has no entry"


_COMPARED: Mapping[tuple[str, ...], Callable[[Connection], Iterator[str]]] = {
    ("projects", "generations", "applied"): _generations,
    ("outbox",): _outbox,
    ("caller_keys",): _caller_keys,
    ("freezes",): _freezes,
    ("secrets",): _secrets,
}
"""The tables that are read, and what compares them with the trail."""


def _member(name: str, value: object) -> str:
    return f"{json.dumps(name)}:{json.dumps(value, default=str)}"


def _entered(connection: Connection, *texts: str) -> bool:
    """Whether an entry holds all of these texts; the newest are looked at first."""
    holds = (place_of(audit.c.body, one) > 0 for one in texts)
    newest = select(audit.c.seq).where(*holds).order_by(audit.c.seq.desc()).limit(1)
    return connection.execute(newest).first() is not None


def _began(connection: Connection) -> datetime | None:
    """Return the moment of the first entry; None for an empty trail."""
    body = connection.execute(select(audit.c.body).order_by(audit.c.seq).limit(1)).scalar()
    with suppress(ValueError, TypeError, LookupError):
        return _moment(json.loads(body or "")["at"])
    return None


def _moment(value: Any) -> datetime | None:
    with suppress(ValueError, TypeError):
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
        return found.astimezone(UTC).replace(microsecond=0) if isinstance(found, datetime) else None
    return None

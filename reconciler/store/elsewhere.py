"""What other tables know of writes that the audit trail has no entry of: they show that its tail was cut.

Every such write made its entry in its own transaction. Compared is the newest of each table, by an id that the entry holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, text

_HAS = {"sqlite": "instr(body, :{0}) > 0", "postgresql": "strpos(body, :{0}) > 0"}
_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT c.relname FROM pg_class c WHERE pg_table_is_visible(c.oid)",
}
_UUID = 36
"""Characters of a write's id. Copies of a freeze have shorter ids, and no entry of their own."""


def unknown_to_trail(connection: Connection) -> Iterator[str]:
    """Yield a sentence for each table that knows of a later write than the trail does.

    A table that is missing knows of nothing: that is for those to find who compare the schema.
    """
    there = {*connection.execute(text(_TABLES[connection.dialect.name])).scalars()}
    for tables, compare in _COMPARED.items():
        if there.issuperset(tables):
            yield from compare(connection)


def _generations(connection: Connection) -> Iterator[str]:
    sql = (
        "SELECT p.name, p.generation, g.number, g.apply_id, g.at, "
        "(SELECT max(a.generation) FROM applied a WHERE a.project = p.name) FROM projects p LEFT JOIN generations g "
        "ON g.project = p.name AND g.number = (SELECT max(n.number) FROM generations n WHERE n.project = p.name) "
        "ORDER BY p.name"
    )
    began = _began(connection)
    for project, generation, number, apply_id, at, applied in connection.execute(text(sql)).all():
        if number is not None and not _entered(connection, _member("apply_id", apply_id)):
            made, entered = _moment(at), _entered(connection, _member("event", "apply"), _member("project", project))
            # a project that has no entry at all may have been applied before there was a trail
            if entered or began is None or made is None or made > began:
                yield f"generation {number} of {project} has no entry"
        for what, known in ((f"{project} is at generation", generation), (f"{project} applied generation", applied)):
            if isinstance(known, int) and known > (number or 0):
                yield f"{what} {known}, and history ends with {number or 0}"


def _outbox(connection: Connection) -> Iterator[str]:
    sql = "SELECT event FROM outbox ORDER BY seq DESC"
    for record in connection.execute(text(sql)).scalars():
        with suppress(ValueError, TypeError, LookupError):
            told = json.loads(record)["data"]
            if _entered(connection, _member("apply_id", told["apply_id"])):
                return
            yield f"a notification of generation {told['generation']} of {told['project']} has no entry"
            return


def _caller_keys(connection: Connection) -> Iterator[str]:
    keys = "SELECT id, tenant, caller FROM caller_keys ORDER BY created_at DESC, id LIMIT 1"
    for identity, tenant, caller in connection.execute(text(keys)).all():
        if not _entered(connection, _member("key", identity)):
            yield f"the key {identity} of {tenant}/{caller} has no entry"


def _freezes(connection: Connection) -> Iterator[str]:
    freezes = (
        f"SELECT id, target FROM freezes WHERE length(id) = {_UUID} AND (lifted_at IS NULL OR lifted_at <> frozen_at) "
        "ORDER BY frozen_at DESC, id LIMIT 1"
    )
    for identity, target in connection.execute(text(freezes)).all():
        if not _entered(connection, _member("write", identity)):
            yield f"the freeze of {target} has no entry"


def _secrets(connection: Connection) -> Iterator[str]:
    sql = "SELECT tenant, name, uid, version FROM secrets ORDER BY changed_at DESC, uid LIMIT 1"
    for tenant, name, uid, version in connection.execute(text(sql)).all():
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
    has = _HAS[connection.dialect.name]
    wanted = " AND ".join(has.format(f"text{number}") for number in range(len(texts)))
    sql = f"SELECT 1 FROM audit WHERE {wanted} ORDER BY seq DESC LIMIT 1"
    return connection.execute(text(sql), {f"text{n}": one for n, one in enumerate(texts)}).first() is not None


def _began(connection: Connection) -> datetime | None:
    """Return the moment of the first entry; None for an empty trail."""
    body = connection.execute(text("SELECT body FROM audit ORDER BY seq LIMIT 1")).scalar()
    with suppress(ValueError, TypeError, LookupError):
        return _moment(json.loads(body or "")["at"])
    return None


def _moment(value: Any) -> datetime | None:
    with suppress(ValueError, TypeError):
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
        return found.astimezone(UTC).replace(microsecond=0) if isinstance(found, datetime) else None
    return None

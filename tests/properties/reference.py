"""What an apply has to do, in plain dictionaries: no planner, no executor, nothing that is shared with them.

A key is (tenant, kind, name). ``Row`` is what is live; ``Record`` is what a project remembers to have applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .assignment import Assigned, Entry, assign

Key = tuple[str, str, str]
Body = dict[str, Any]
Normalise = Callable[[Key, Any], Body | None]
"""The body as its spec writes it; None where it is not valid. The one thing that is not modelled here."""

IDENTITY = {"integration": "provider", "connector": "type", "datasource": "type", "template": "type"}
NEW = "new"


class Row(NamedTuple):
    uid: str
    raw: Any
    project: str | None


class Record(NamedTuple):
    uid: str
    body: Body
    moved_from: Key | None = None
    seen: frozenset[Entry] = frozenset()  # the entries from and to this name when this was written
    at: int = 0  # later writes have greater numbers


@dataclass(frozen=True)
class Wish:
    """What one project wants."""

    project: str
    bodies: Mapping[Key, Body]
    moved: Mapping[Key, Key] = field(default_factory=dict)
    let_go: frozenset[Key] = frozenset()
    adopt: Mapping[Key, str | None] = field(default_factory=dict)
    seen: Mapping[Key, frozenset[Entry]] | None = None  # where a rollback brings it back


@dataclass(frozen=True)
class Past:
    """What a rollback or revert adds to a wish: where things go, their uids, what is let go of, what it is about."""

    moves: Mapping[Key, Key] = field(default_factory=dict)
    uids: Mapping[Key, str] = field(default_factory=dict)
    let_go: frozenset[Key] = frozenset()
    only: frozenset[Key] | None = None

    def concerns(self, key: Key) -> bool:
        return self.only is None or key in self.only


@dataclass
class Result:
    """What is to become of it. ``rows`` and ``records`` are those of afterwards; a new row has the uid ``NEW``."""

    rows: dict[Key, Row]
    records: dict[str, dict[Key, Record]]
    actions: dict[Key, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    written: set[Key] = field(default_factory=set)
    left: set[Key] = field(default_factory=set)
    """The names that something moved away from, or that were taken from what had them."""
    clock: dict[str, int] = field(default_factory=dict)


def references(key: Key, body: Any) -> Iterator[Key]:
    """What a body names, in the same tenant."""
    tenant, kind, _ = key
    if not isinstance(body, dict):
        return
    if kind == "datasource":
        yield from ((tenant, "connector", body[f]) for f in ("connector",) if isinstance(body.get(f), str))
    if kind == "template":
        yield from ((tenant, f, body[f]) for f in ("connector", "datasource") if isinstance(body.get(f), str))
    if kind == "limit" and isinstance(body.get("target"), str) and body["target"].count("/") == 1:
        target_kind, name = body["target"].split("/")
        yield tenant, target_kind, name


def owned_by(project: str, key: Key, rows: Mapping[Key, Row], records: Mapping[str, Mapping[Key, Record]]) -> bool:
    """The record and the row are about the very same thing."""
    row, record = rows.get(key), records.get(project, {}).get(key)
    return row is not None and record is not None and row.uid == record.uid


def owner_of(key: Key, rows: Mapping[Key, Row], records: Mapping[str, Mapping[Key, Record]]) -> str | None:
    return next((project for project in records if owned_by(project, key, rows, records)), None)


def apply(
    wish: Wish,
    rows: Mapping[Key, Row],
    records: Mapping[str, Mapping[Key, Record]],
    normalise: Normalise,
    past: Past | None = None,
) -> Result:
    """One apply of the whole configuration of one project, or of what a rollback brings back."""
    mine = dict(records.get(wish.project, {}))
    after = Result(dict(rows), {project: dict(known) for project, known in records.items()})
    after.records.setdefault(wish.project, {})
    ours = after.records[wish.project]
    assigned = Assigned(past.moves) if past else _assigned(wish, rows, records)
    if assigned.unclear:
        after.refused.extend(f"unclear {key}" for key in sorted(assigned.unclear))
        return after
    moving, displaced = assigned.moving, assigned.displaced
    past = past or Past()
    after.left = {*moving, *displaced}
    arriving = {new: old for old, new in moving.items()}

    # what leaves its place first: the places of moves, and what nobody wants any more
    for key in mine:
        if key in wish.bodies or key in moving or not past.concerns(key):
            continue
        del ours[key]
        if not owned_by(wish.project, key, rows, records):
            after.actions[key] = "forget"
        elif assigned.ended.get(key, key) in wish.let_go or key in past.let_go:
            after.actions[key] = "forget"
            after.rows[key] = rows[key]._replace(project=None)
            after.written.add(key)
            _protected(key, rows[key].raw, normalise, after)
        else:
            after.actions[key] = "delete"
            del after.rows[key]
            _protected(key, rows[key].raw, normalise, after)
    for key in displaced:
        del after.rows[key], ours[key]
        _protected(key, rows[key].raw, normalise, after)
    for old in moving:
        del after.rows[old]
        del ours[old]

    for key, body in wish.bodies.items():
        if not past.concerns(key):
            continue
        place = arriving.get(key, key)
        row = rows.get(place) if key in arriving or key not in moving else None
        if row is None:
            after.actions[key] = "create"
            _write(after, wish, key, Row(past.uids.get(key, NEW), body, wish.project), mine.get(key))
            continue
        taken_from = None
        if not owned_by(wish.project, place, rows, records):
            taken_from = owner_of(place, rows, records) or ""
            if key not in wish.adopt or (taken_from and taken_from != wish.adopt[key]):
                after.refused.append(f"conflict {key}")
                continue
            if taken_from:
                del after.records[taken_from][key]
        _compare(after, wish, key, place, row, mine.get(place), taken_from is not None, normalise, past.uids.get(key))

    for key in displaced:
        after.actions[key] = f"delete+{after.actions[key]}"
    _check_references(after, wish, rows, moving)
    _check_fit(after, rows, normalise)
    return after


def _assigned(wish: Wish, rows: Mapping[Key, Row], records: Mapping[str, Mapping[Key, Record]]) -> Assigned:
    mine = records.get(wish.project, {})
    owned = frozenset(key for key in rows if owned_by(wish.project, key, rows, records))
    remembered = {key: (record.seen, record.at) for key, record in mine.items()}
    return assign(wish.moved, wish.bodies, wish.let_go, remembered, owned, frozenset(rows) - owned)


def _compare(
    after: Result,
    wish: Wish,
    key: Key,
    place: Key,
    row: Row,
    record: Record | None,
    taken_over: bool,
    normalise: Normalise,
    uid: str | None = None,
) -> None:
    """``record`` is what we remember of the place, also where another thing lives there now that is taken over."""
    body, live = wish.bodies[key], normalise(place, row.raw)
    there = live
    if there is None:
        there = record.body if record is not None and not taken_over else row.raw if isinstance(row.raw, dict) else {}
    identity = IDENTITY.get(key[1])
    if uid not in (None, row.uid) or (identity and there.get(identity) != body[identity]):
        after.actions[key] = "replace"
        _protected(key, row.raw, normalise, after)
        _write(after, wish, key, Row(uid or NEW, body, wish.project), record, place)
    elif live != body:
        after.actions[key] = "update"
        _write(after, wish, key, Row(row.uid, body, wish.project), record, place)
    elif place != key:
        after.actions[key] = "move"
        _write(after, wish, key, row, record, place)
    elif taken_over:
        after.actions[key] = "adopt"
        _write(after, wish, key, row._replace(project=wish.project), record, place)
    elif record is not None and live != record.body:
        # made by hand what the configuration now says: only the record changes
        after.actions[key] = "adopt"
        after.records[wish.project][key] = Record(record.uid, body, None, _seen(wish, key), _now(after, wish))


def _write(after: Result, wish: Wish, key: Key, row: Row, record: Record | None, place: Key | None = None) -> None:
    after.rows[key] = row
    after.written.add(key)
    came_from = place if place is not None and place != key and _seen(wish, key) else None
    after.records[wish.project][key] = Record(row.uid, wish.bodies[key], came_from, _seen(wish, key), _now(after, wish))


def _seen(wish: Wish, key: Key) -> frozenset[Entry]:
    if wish.seen is not None:
        return wish.seen.get(key, frozenset())
    return frozenset(entry for entry in wish.moved.items() if key in entry)


def _now(after: Result, wish: Wish) -> int:
    return after.clock.setdefault(
        wish.project, 1 + max((r.at for r in after.records[wish.project].values()), default=0)
    )


def _protected(key: Key, raw: Any, normalise: Normalise, after: Result) -> None:
    body = normalise(key, raw)
    body = raw if body is None else body
    if isinstance(body, dict) and body.get("protected") is True:
        after.refused.append(f"protected {key}")


def _check_references(after: Result, wish: Wish, before: Mapping[Key, Row], moving: Mapping[Key, Key]) -> None:
    gone = {key for key in before if key not in after.rows}
    for key, row in after.rows.items():
        for target in references(key, row.raw):
            if target in gone:
                after.refused.append(f"{key} refers to {target}, which goes")
            elif target not in after.rows and key in wish.bodies and key in after.actions:
                after.refused.append(f"{key} refers to {target}, which is not there")


def _check_fit(after: Result, before: Mapping[Key, Row], normalise: Normalise) -> None:
    """A template runs on a connector of type http, now as before; what never fitted may stay as it is."""
    for key, row in after.rows.items():
        body = normalise(key, row.raw) if key[1] == "template" else None
        if body is not None and _type_below(key, body, after.rows, normalise) not in (None, "http"):
            old = normalise(key, before[key].raw) if key in before else None
            if key in after.actions and after.actions[key] != "forget":
                after.refused.append(f"{key} does not fit")
            elif old is not None and _type_below(key, old, before, normalise) == "http":
                after.refused.append(f"{key} would no longer fit")


def _type_below(key: Key, body: Body, rows: Mapping[Key, Row], normalise: Normalise) -> Any:
    target = (key[0], "connector", body.get("connector") or "")
    found = normalise(target, rows[target].raw) if target in rows else None
    return None if found is None else found["type"]

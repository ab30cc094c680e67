"""Rollbacks and reverts, by the tool and by the reference."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from reconciler.errors import PlanStale
from reconciler.history.undo import Undoing, revert, rollback
from reconciler.model.configuration import Configuration
from reconciler.model.plan import Plan, Selection
from reconciler.planner.make import Past, make_plan
from reconciler.store.history import read_history
from reconciler.store.reading import read_live

from . import reference
from .arena import SETTING
from .bodies import Pick
from .life import SHOP, Life
from .reference import Key, Record, Row, Wish
from .story import TENANT, Want, _tell


def rolls_back(life: Life, pick: Pick) -> None:
    target = pick.number(len(life.snapshots))
    _tell(f"rollback {target}")
    rows = life.rows()
    places = {row.uid: key for key, row in rows.items() if key[0] == TENANT}
    wanted = {
        key: record
        for key, record in life.snapshots[target].items()
        if reference.owner_of(places.get(record.uid, key), rows, _others(life)) is None
    }
    _goes_back(life, wanted, rows, None, lambda live, base: rollback(target, _history(life), live, base))


def reverts(life: Life, pick: Pick) -> None:
    if len(life.snapshots) == 1:
        return
    number = 1 + pick.number(len(life.snapshots) - 1)
    _tell(f"revert {number}")
    rows, touched = life.rows(), life.touched[number]
    later = frozenset[Key]().union(*life.touched[number + 1 :])
    numbers = range(number + 1, len(life.snapshots))
    again = _lives(life, number) & frozenset[str]().union(*(_lives(life, later) for later in numbers))
    before = life.arena.dump()
    if later & touched or again:
        try:
            _plan(life, lambda live, base: revert(number, _history(life), live, base))
        except PlanStale:
            assert life.arena.dump() == before
            return
        raise AssertionError("a later generation overlaps, and the revert was planned")
    wanted = {
        key: record
        for key, record in life.snapshots[-1].items()
        if key not in touched and reference.owned_by(SHOP, key, rows, life.records)
    }
    wanted |= {key: record for key, record in life.snapshots[number - 1].items() if key in touched}
    _goes_back(life, wanted, rows, touched, lambda live, base: revert(number, _history(life), live, base))


def _lives(life: Life, number: int) -> frozenset[str]:
    """The uids that a generation had to do with."""
    there = (life.snapshots[number - 1], life.snapshots[number])
    return frozenset(known[key].uid for known in there for key in life.touched[number] if key in known)


def _others(life: Life) -> dict[str, dict[Key, Record]]:
    return {project: known for project, known in life.records.items() if project != SHOP}


def _history(life: Life) -> Any:
    return read_history(life.arena.database, SHOP)


def _plan(life: Life, undoing: Any) -> Plan:
    live = read_live(life.arena.database, SHOP, None)
    found: Undoing = undoing(live, Configuration(SHOP, None, {}))
    past = Past(found.moves, found.uids, found.let_go)
    plan = make_plan(found.configuration, live, SETTING, Selection(paths=found.touched), past)
    return replace(plan, operation="rollback")


def _goes_back(
    life: Life, wanted: dict[Key, Record], rows: dict[Key, Row], only: frozenset[Key] | None, undoing: Any
) -> None:
    mine = life.records.get(SHOP, {})
    places = {r.uid: key for key, r in rows.items() if reference.owned_by(SHOP, key, rows, life.records)}
    moves = {places[r.uid]: key for key, r in wanted.items() if r.uid in places and places[r.uid] != key}
    while taken := [old for old, new in moves.items() if new in rows and new not in moves]:
        for old in taken:
            del moves[old]
    kept = {record.uid for record in wanted.values()}
    kept |= {uid for uid, action in life.first.items() if action in {"create", "replace"}}
    let_go = frozenset(k for k in mine if k not in wanted and k not in moves and mine[k].uid not in kept)
    past = reference.Past(moves, {key: record.uid for key, record in wanted.items()}, let_go, only)
    adopt = {key: None for key, record in wanted.items() if key in rows and rows[key].uid == record.uid}
    seen = {key: record.seen for key, record in wanted.items()}
    wish = Wish(SHOP, {key: record.body for key, record in wanted.items()}, adopt=adopt, seen=seen)
    expected = life._expected(wish, rows, past)
    live_uids = {row.uid: key for key, row in rows.items() if key[0] == TENANT}
    for key, action in expected.actions.items():
        uid = past.uids.get(key)
        there = live_uids.get(uid or "")
        stays = there in expected.rows and there != key and expected.rows[there].uid == uid
        if action in {"create", "replace"} and stays:
            expected.refused.append(f"{key} lives as {there}")
    before = life.arena.dump()
    if life.carry_out(SHOP, lambda: _plan(life, undoing), expected, rows, before):
        return
    managed = {key: (r.uid, r.body) for key, r in life.records[SHOP].items() if only is None or key in only}
    assert managed == {k: (r.uid, r.body) for k, r in wanted.items() if only is None or k in only}
    life.want = Want({key[1:]: record.body for key, record in life.records[SHOP].items()})

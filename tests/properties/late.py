"""Saved plans that are applied later, and applies that die on the way."""

from __future__ import annotations

import os
import signal
from typing import NamedTuple

from msgspec.structs import replace

from reconciler.apply.terms import Approval
from reconciler.errors import PlanStale, ReconcilerError, Refused
from reconciler.model.plan import Plan
from reconciler.plan.file import read_plan, write_plan

from . import reference
from .arena import TERMS
from .bodies import Pick
from .life import SHOP, Life, Saved
from .reference import Key, Row
from .story import Want, _tell, told

POINTS = ("before_lock", "after_lock", "before_stmt", "after_stmt", "before_audit", "after_audit", "before_commit", "after_commit")  # fmt: skip


class Planned(NamedTuple):
    """What somebody wants next, planned by the tool and foreseen by the reference."""

    want: Want
    rows: dict[Key, Row]
    plan: Plan
    expected: reference.Result


def _planned(life: Life, pick: Pick) -> Planned | None:
    """None where nothing would come of it."""
    want, external = life.edits(pick)
    configuration = life.load(SHOP, want, external)
    if configuration is None:
        return None
    rows = life.rows()
    expected = life._expected(want.wish(SHOP, configuration), rows)
    try:
        plan = life.arena.plan(configuration)
    except Refused:
        assert expected.refused
        return None
    if not expected.refused:
        assert told((tuple(c.address), c.action.value) for c in plan.changes) == expected.actions
    return None if plan.blockers or expected.refused else Planned(want, rows, plan, expected)


def saves(life: Life, pick: Pick) -> None:
    planned = _planned(life, pick)
    if planned is None:
        return
    _, rows, plan, expected = planned
    path = life.folder.with_suffix(".plan")
    write_plan(plan, path, None)
    life.saved = Saved(path, expected, rows, life.arena.dump())
    _tell("saved")


def applies_what_was_saved(life: Life) -> None:
    """As planned where nothing moved; otherwise stale or refused, unless what moved has nothing to do with it."""
    if life.saved is None:
        return
    _tell("apply the saved plan")
    path, expected, then, dump = life.saved
    life.saved = None
    rows, before = life.rows(), life.arena.dump()
    names = frozenset(expected.actions) | expected.left
    moved = {key for key in names if rows.get(key) != then.get(key)}
    terms = replace(TERMS, approval=Approval(saved=True))
    try:
        outcome = life.arena.apply(read_plan(path, None), terms)
    except (Refused, PlanStale):
        assert life.arena.dump() == before
        assert before != dump, "nothing happened since it was planned, and it was not applied"
        return
    if before == dump:
        life.compare(SHOP, rows, before, life.arena.dump(), expected)
        return
    live = life.rows()
    for key in expected.actions:
        wanted = expected.rows.get(key)
        if expected.actions[key] == "forget":
            continue  # it is not ours any more, wherever it is, and whoever is there now
        assert (wanted is None) == (key not in live), f"{key}: {live.get(key)}, and {expected.actions} was saved"
        if wanted is not None:
            assert live[key].raw == wanted.raw
    assert {k: r for k, r in live.items() if k not in names} == {k: r for k, r in rows.items() if k not in names}
    if outcome.generation is None:
        assert life.arena.dump() == before
        return
    lost = {key for key in moved if not _same(rows.get(key), expected.rows.get(key))}
    assert not {key for key in lost if expected.actions.get(key) != "forget"}, "an update was lost"
    _catch_up(life, rows, expected, names)


def _catch_up(life: Life, rows: dict[Key, Row], expected: reference.Result, names: frozenset[Key]) -> None:
    """The reference's memory after a plan that was applied later than it was made, from what the plan was to do."""
    known = life.arena.sql("SELECT tenant, kind, name, uid, spec, moved_from FROM applied WHERE project = ?", (SHOP,))
    mine = dict(life.records[SHOP])
    live = life.rows()
    by_key = {(t, k, n): (uid, spec, moved) for t, k, n, uid, spec, moved in known}
    at = 1 + max((record.at for record in mine.values()), default=0)
    for key in names:
        mine.pop(key, None)
        if key in expected.records[SHOP]:
            record = expected.records[SHOP][key]
            moved = by_key[key][2]
            came = tuple(moved.split("/")) if moved else None
            mine[key] = record._replace(uid=live[key].uid, moved_from=came, at=at)
    done = told(
        ((t, k, n), action)
        for t, k, n, action in life.arena.sql(
            "SELECT tenant, kind, name, action FROM changes WHERE project = ? AND generation = "
            "(SELECT generation FROM projects WHERE name = ?) ORDER BY position",
            (SHOP, SHOP),
        )
    )
    gone = {"delete": {"delete", "forget"}}  # what somebody has deleted meanwhile is only forgotten
    for key, action in done.items():
        wanted = expected.actions[key]
        assert action in gone.get(wanted, {wanted, wanted.removeprefix("delete+")})
    earlier, life.records = life.records, {**life.records, SHOP: mine}
    life._remember(SHOP, rows, earlier, done)
    life._snapshot()
    life.touched.append(frozenset(done) | expected.left)


def dies_while_applying(life: Life, pick: Pick) -> None:
    planned = _planned(life, pick)
    if planned is None:
        return
    want, rows, plan, expected = planned
    before = life.arena.dump()
    point = f"{pick.of(POINTS)}:kill:{1 + pick.number(12)}"
    _tell(f"dies at {point}")
    child = os.fork()
    if child == 0:
        os.environ["RECONCILER_FAILPOINT"] = point
        try:
            life.arena.apply(plan)
        except ReconcilerError:
            os._exit(1)
        except BaseException:
            os._exit(2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert killed or os.waitstatus_to_exitcode(status) == 0
    life.arena.sql("DELETE FROM announcements")  # a leftover of the dead, which the next apply clears
    after = life.arena.dump()
    drawn = "resource_row_version"  # a sequence, which no rollback takes back
    if expected.actions and {**after, drawn: []} == {**before, drawn: []}:
        assert killed
        return
    life.compare(SHOP, rows, before, after, expected)
    life.want = want


def _same(row: Row | None, wanted: Row | None) -> bool:
    return (row is None) == (wanted is None) and (row is None or wanted is None or row.raw == wanted.raw)

"""History that is pruned: what is kept is enough to replay every later generation, for random histories."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from sqlalchemy import Connection

from reconciler.history.managed import managed_at
from reconciler.model.configuration import Retention
from reconciler.store.connect import writing
from reconciler.store.history import read_history
from reconciler.store.retention import prune

from .arena import Arena
from .bodies import Pick
from .story import Story
from .strategies import dice, examples
from .wishes import opening, turn


def _kept_is_enough(arena: Arena, folder: Path, data: bytes) -> None:
    pick, story = Pick(data, ()), Story(arena, folder)
    want, others = opening(pick, story)
    for _ in range(4):
        following, external = turn(pick, story, want, others)
        if not story.apply("shop", following, external).refused:
            want = following
    whole = read_history(arena.database, "shop")
    forgotten = _let_go(arena)
    for keep in range(whole.newest, 0, -1):
        with writing(arena.database, 10) as connection, connection.begin():
            _pruned(connection, keep, whole.newest)
        kept = read_history(arena.database, "shop")
        assert kept.generations == whole.generations
        assert kept.horizon == whole.newest - keep
        assert not [c for c in whole.changes if c.generation > kept.horizon and c not in kept.changes]
        for number in range(kept.horizon, whole.newest + 1):
            assert managed_at(kept.changes, number) == managed_at(whole.changes, number)
        assert _let_go(arena) == forgotten


def _pruned(connection: Connection, keep: int, newest: int) -> None:
    moved = prune(connection, "shop", Retention(generations=keep), newest)
    assert moved == (newest - keep or None)
    assert prune(connection, "shop", Retention(generations=keep), newest) is None


def _let_go(arena: Arena) -> set[str]:
    """Rows that nobody owns, since a project let go of them."""
    sql = (
        "SELECT r.uid FROM resources r JOIN changes c ON c.uid = r.uid WHERE c.action = 'forget' AND r.project IS NULL"
    )
    return {uid for (uid,) in arena.sql(sql)}


@examples(60)
@given(data=dice(1200))
def test_what_is_kept_is_enough_on_sqlite(sqlite: Arena, manifests: Path, data: bytes) -> None:
    _kept_is_enough(sqlite, manifests, data)


@examples(20)
@given(data=dice(1200))
def test_what_is_kept_is_enough_on_postgresql(postgresql: Arena, manifests: Path, data: bytes) -> None:
    _kept_is_enough(postgresql, manifests, data)

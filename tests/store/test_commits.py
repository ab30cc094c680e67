"""Which commit was applied last, and which generation came from one."""

from __future__ import annotations

from reconciler.store.history import Commits, read_commits
from tests.conftest import Db
from tests.store.support import database_of, set_up


def test_the_latest_generation_of_a_commit(db: Db) -> None:
    set_up(db)
    db.sql("INSERT INTO projects (name, lineage, generation, git_commit) VALUES ('shop', 'l', 4, 'c')")
    for number, commit in enumerate(("'a'", "'b'", "'a'", "'c'", "NULL"), 1):
        db.sql(
            "INSERT INTO generations (project, number, apply_id, operation, actor, git_commit, tool_version, configuration, "
            f"added, changed, destroyed) VALUES ('shop', {number}, 'id{number}', 'apply', 'x', {commit}, '1', 'd', 0, 0, 0)"
        )
    database = database_of(db)
    found = {commit: read_commits(database, "shop", commit) for commit in ("a", "b", "c", "", "d")}
    assert found == {
        "a": Commits("c", 3),
        "b": Commits("c", 2),
        "c": Commits("c", 4),
        "": Commits("c", None),
        "d": Commits("c", None),
    }
    assert read_commits(database, "other", "a") == Commits("", None)

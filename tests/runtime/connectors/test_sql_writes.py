"""Templates that write: when they may, what they say, and what is left when they fail."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.runtime.call import Answer, Failed
from tests.runtime.connectors.support import (
    ALIKE,
    TEXT,
    Place,
    content,
    postgresql_place,
    ran,
)


def test_writing_needs_both_to_say_so(place: Place) -> None:
    insert = "INSERT INTO customers VALUES (4, :name, 'eu')"
    parameters = {"name": TEXT}
    refused = ran(place, insert, {"name": "Dan"}, parameters, read_only=False)
    assert isinstance(refused, Failed)
    assert refused.outcome == "blocked"
    answer = ran(place, insert, {"name": "Dan"}, parameters, connector={"read_only": False}, read_only=False)
    assert content(answer) == {"changed": 1}
    assert place.sql("SELECT name FROM customers WHERE id = 4") == [("Dan",)]


@pytest.mark.parametrize("place", ALIKE, indirect=True)
def test_writes_that_return(place: Place) -> None:
    more: dict[str, Any] = {"connector": {"read_only": False}, "read_only": False}
    update = "UPDATE customers SET name = :name WHERE region = 'eu' RETURNING id, name"
    answer = ran(place, update, {"name": "Eve"}, {"name": TEXT}, **more)
    assert sorted(row["id"] for row in content(answer)) == [1, 3]
    cut = ran(place, update, {"name": "Fay"}, {"name": TEXT}, max_rows=1, **more)
    assert isinstance(cut, Answer)
    assert (cut.rows, cut.cut) == (1, True)
    assert place.sql("SELECT DISTINCT name FROM customers WHERE region = 'eu'") == [("Fay",)]


def test_a_write_may_move_rows(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    place.sql("CREATE TABLE old (LIKE customers)")
    place.sql("GRANT ALL ON old TO agent")
    sql = "WITH gone AS (DELETE FROM customers WHERE region = :v RETURNING *) INSERT INTO old SELECT * FROM gone"
    answer = ran(place, sql, {"v": "eu"}, {"v": TEXT}, connector={"read_only": False}, read_only=False)
    assert content(answer) == {"changed": 2}
    assert place.sql("SELECT count(*) FROM old") == [(2,)]


def test_what_is_checked_at_the_end_fails_clean(postgres_server: str) -> None:
    place = postgresql_place(postgres_server)
    place.sql("ALTER TABLE customers ADD UNIQUE (id) DEFERRABLE INITIALLY DEFERRED")
    insert = "INSERT INTO customers VALUES (1, 'x', 'eu')"
    answer = ran(place, insert, connector={"read_only": False}, read_only=False)
    assert isinstance(answer, Failed)
    assert (answer.code, answer.outcome) == ("query-failed", "failure")


def test_a_write_that_fails_has_written_nothing(place: Place) -> None:
    place.sql("CREATE UNIQUE INDEX one ON customers (id)")
    insert = "INSERT INTO customers SELECT 10, 'x', 'eu' UNION ALL SELECT 1, 'y', 'eu'"
    answer = ran(place, insert, connector={"read_only": False}, read_only=False)
    assert isinstance(answer, Failed)
    assert (answer.outcome, "y" in str(answer)) == ("failure", False)
    assert place.sql("SELECT count(*) FROM customers") == [(3,)]


def test_errors_hold_nothing_of_what_was_asked(place: Place) -> None:
    answer = ran(place, "SELECT CAST(:v AS integer) / 0 AS x, missing FROM customers", {"v": "CANARY-1"}, {"v": TEXT})
    assert isinstance(answer, Failed)
    assert "CANARY" not in str(answer)
    assert "missing" not in str(answer)

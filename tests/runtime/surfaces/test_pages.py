"""Limits and cursors of lists: what is none of ours is refused, whatever it would mean."""

from __future__ import annotations

import pytest

from reconciler.runtime.surfaces.pages import Paged, cursor_of
from reconciler.runtime.surfaces.requests import BadRequest, query_in

LIMITS = ["0", "201", "-1", "+1", "1.0", "", " 1", "\u0661", "1" * 5000, "0000001001", "00000000001"]
CURSORS = [
    "x",
    "a=b=",
    "YQ== ",
    "YQ\n==",
    "YQ==\n",
    "YQ!=",
    "\u00fc",
    cursor_of("\x00"),
    cursor_of("a\nb"),
    "gICA",
    cursor_of("a" * 300),
]


def test_what_a_list_takes() -> None:
    assert query_in(Paged, {}) == Paged(200, "")
    asked = query_in(Paged, {"limit": "007", "cursor": cursor_of("top-\u00fc"), "more": "x"})
    assert (asked.limit, asked.after) == (7, "top-\u00fc")


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_a_small_number(limit: str) -> None:
    with pytest.raises(BadRequest) as caught:
        query_in(Paged, {"limit": limit})
    assert (caught.value.answer.status_code, caught.value.answer.code) == (400, "invalid-page")


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_cursor_is_one_of_ours(cursor: str) -> None:
    with pytest.raises(BadRequest) as caught:
        query_in(Paged, {"cursor": cursor}).after  # noqa: B018
    assert (caught.value.answer.status_code, caught.value.answer.code) == (400, "invalid-page")

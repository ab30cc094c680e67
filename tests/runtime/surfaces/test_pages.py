"""Limits and cursors of lists: what is none of ours is refused, whatever it would mean."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from starlette.requests import Request

from reconciler.runtime.surfaces.pages import BadCursor, asked, cursor_of

LIMITS = ["0", "201", "-1", "+1", "1.0", "", " 1", "\u0661", "1" * 5000, "0000001001", "00000000001"]
CURSORS = [
    "x",
    "a=b=",
    "YQ== ",
    "YQ\n==",
    "YQ!=",
    "\u00fc",
    cursor_of("\x00"),
    cursor_of("a\nb"),
    "gICA",
    cursor_of("a" * 300),
]


def request(**query: str) -> Request:
    return Request({"type": "http", "headers": [], "query_string": urlencode(query).encode()})


def test_what_a_list_takes() -> None:
    assert asked(request()) == (200, "")
    assert asked(request(limit="007", cursor=cursor_of("top-\u00fc"))) == (7, "top-\u00fc")


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_a_small_number(limit: str) -> None:
    with pytest.raises(BadCursor):
        asked(request(limit=limit))


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_cursor_is_one_of_ours(cursor: str) -> None:
    with pytest.raises(BadCursor):
        asked(request(cursor=cursor))

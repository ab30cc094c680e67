"""A list cut into pages by opaque cursors; no totals, which would tell of what somebody may not see."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request

MOST = 200


class BadCursor(Exception):
    """A limit or a cursor that is none of ours."""


def asked(request: Request) -> tuple[int, str]:
    """``limit`` and what ``cursor`` says, "" at the beginning. Raises BadCursor."""
    limit = request.query_params.get("limit", str(MOST))
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= MOST):
        raise BadCursor
    cursor = request.query_params.get("cursor", "")
    try:
        return int(limit), urlsafe_b64decode(cursor.encode("ascii")).decode()
    except (binascii.Error, ValueError):
        raise BadCursor from None


def cursor_of(key: str) -> str:
    return urlsafe_b64encode(key.encode()).decode()


def page(request: Request, items: Sequence[Any], name: str, key: Callable[[Any], str]) -> dict[str, Any]:
    """Of items that are sorted by their key."""
    limit, after = asked(request)
    rest = [item for item in items if not after or key(item) > after]
    more = {"next_cursor": cursor_of(key(rest[limit - 1]))} if len(rest) > limit else {}
    return {name: rest[:limit], **more}

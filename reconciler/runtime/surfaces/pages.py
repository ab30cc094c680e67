"""A list cut into pages by opaque cursors; no totals, which would tell of what somebody may not see."""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request

MOST = 200
MAX_CURSOR = 256
CURSOR = "^[A-Za-z0-9_-]*={0,2}$"
"""What a cursor looks like: base64, for URLs."""


class BadCursor(Exception):
    """A limit or a cursor that is none of ours."""


def asked(request: Request) -> tuple[int, str]:
    """Return ``limit`` and the key in ``cursor``, "" at the beginning. Raises BadCursor."""
    limit = request.query_params.get("limit", str(MOST))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10 and 1 <= int(limit) <= MOST):
        raise BadCursor
    cursor = request.query_params.get("cursor", "")
    if len(cursor) > MAX_CURSOR or re.fullmatch(CURSOR, cursor) is None:
        raise BadCursor
    try:
        key = urlsafe_b64decode(cursor).decode()
    except (binascii.Error, ValueError):
        raise BadCursor from None
    if not key.isprintable():
        raise BadCursor
    return int(limit), key


def cursor_of(key: str) -> str:
    return urlsafe_b64encode(key.encode()).decode()


def page(request: Request, items: Sequence[Any], name: str, key: Callable[[Any], str]) -> dict[str, Any]:
    """Of items that are sorted by their key."""
    limit, after = asked(request)
    rest = [item for item in items if not after or key(item) > after]
    more = {"next_cursor": cursor_of(key(rest[limit - 1]))} if len(rest) > limit else {}
    return {name: rest[:limit], **more}

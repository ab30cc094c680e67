"""A list cut into pages by opaque cursors; no totals, which would reveal how much a caller may not see."""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from msgspec import Meta, Struct

from reconciler.runtime.surfaces.answers import More
from reconciler.runtime.surfaces.requests import BadRequest

T = TypeVar("T")
MOST = 200
MAX_CURSOR = 256
CURSOR = "^[A-Za-z0-9_-]*={0,2}$"
"""What a cursor looks like: base64, for URLs."""


class Paged(Struct, frozen=True):
    """The query of a list: how many items, and the ``next_cursor`` of an earlier page, "" for the first one."""

    limit: Annotated[int, Meta(ge=1, le=MOST)] = MOST
    cursor: Annotated[str, Meta(max_length=MAX_CURSOR, pattern=CURSOR)] = ""

    @property
    def after(self) -> str:
        """The key in ``cursor``, behind which the page begins; "" at the beginning. Raises BadRequest."""
        if re.fullmatch(CURSOR, self.cursor) is None:
            raise bad_cursor()
        try:
            key = urlsafe_b64decode(self.cursor).decode()
        except (binascii.Error, ValueError):
            raise bad_cursor() from None
        if not key.isprintable():
            raise bad_cursor()
        return key


def bad_cursor() -> BadRequest:
    """Return the refusal of a cursor that no page gave."""
    return BadRequest(400, "invalid-page", "`cursor`: expected the `next_cursor` of an earlier page.")


def cursor_of(key: str) -> str:
    """Return the cursor of the page that begins behind ``key``."""
    return urlsafe_b64encode(key.encode()).decode()


def page(asked: Paged, items: Sequence[T], key: Callable[[T], str]) -> tuple[list[T], More]:
    """Return one page of items that are sorted by their key, and where the list goes on. Raises BadRequest."""
    after = asked.after
    rest = [item for item in items if not after or key(item) > after]
    more: More = {"next_cursor": cursor_of(key(rest[asked.limit - 1]))} if len(rest) > asked.limit else {}
    return rest[: asked.limit], more

"""The text of a file turned into libyaml's tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from yaml.cyaml import CParser  # type: ignore[attr-defined]
from yaml.tokens import StreamEndToken, StreamStartToken


def parser(text: str) -> Any:
    """With a byte order mark before the text, since libyaml leaves out the first one, and counts from behind it."""
    return CParser(("\ufeff" + text).encode())


def tokens(text: str) -> Iterator[Any]:
    """In the order of the text; those that stand for no text have no width. The first and the last say nothing."""
    get = parser(text).get_token
    while type(token := get()) is not StreamEndToken:
        if type(token) is not StreamStartToken:
            yield token

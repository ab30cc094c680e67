"""Texts and bodies full of what can't be seen, for the tests that nothing is hidden."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from hypothesis import strategies as st

CHARACTERS = (
    "ab \t\n\r\v\f\x85\u2028\u2029\xa0\u3000\u2003\u200b\u200d\ufeff\xad\u202e\u2066\u034f\u3164\ufe0f\U000e0041\x7f\x00"
    "e\u0301\xe9\u1112\u1161\u11ab\ud55c\u212b\xc5\ufb01fi\uff21A\u0430\\u·⇥↪\"'{}[]=,.:`|#-+~<>1"
)
PIECES = st.sampled_from(
    [*CHARACTERS, "\\u200b", "\r\n", "  ", "\n ", " \n", "é", "SELECT ", "-- x", "EOT", "null", "true", " -> ", "…"]
)
TEXT = st.lists(PIECES, max_size=8).map("".join)
KEY = st.lists(PIECES, max_size=3).map("".join)
VALUE = st.recursive(
    TEXT | st.booleans() | st.none() | st.sampled_from([0, 1, 2, 1.5]) | st.just("x" * 90),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=3),
    max_leaves=5,
)
BODY = st.dictionaries(KEY, VALUE, max_size=3)
_SEEN_AS_NOTHING = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)


def seen(text: str) -> str:
    """What a reader makes of it: no character that shows nothing, every blank a space, none at a line's end, one form for all that looks alike."""
    lines = unicodedata.normalize("NFKC", text).split("\n")
    return "\n".join(_line(line).rstrip(" ") for line in lines)


def _line(line: str) -> str:
    line = _SEEN_AS_NOTHING.sub("", line).replace("\u0430", "a")
    blanks = "".join(" " if c.isspace() else c for c in line)
    return "".join(c for c in blanks if unicodedata.category(c)[0] not in "CZ" or c == " ")


def near(value: Any) -> st.SearchStrategy[Any]:
    """The same text with one more, one less or another character."""
    if not isinstance(value, str):
        return VALUE
    at = st.integers(0, len(value))
    return st.builds(lambda n, c, m: value[:n] + c + value[n + m :], at, PIECES | st.just(""), st.integers(0, 1))

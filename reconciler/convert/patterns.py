"""Regular expressions of other tools, which find a match anywhere, as ones that a whole value has to match."""

from __future__ import annotations

import re
from collections.abc import Iterable

from reconciler.kinds.template.pattern import is_linear

ANYTHING = r"[\s\S]*"
_TOKEN = re.compile(r"\\(?:[pPux]\{[^}]*\}|.)|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_ASCII = {r"\d": "[0-9]", r"\D": "[^0-9]", r"\w": "[A-Za-z0-9_]", r"\W": "[^A-Za-z0-9_]"}
_STARTS, _ENDS = ("^", r"\A"), ("$", r"\z", r"\Z")


def whole(pattern: str) -> str:
    """Return the pattern of a whole value in which ``pattern`` finds a match. Raises ValueError if it can't be judged here."""
    tokens = [_ascii(found[0]) for found in _TOKEN.finditer(pattern)]
    if _has_choice(tokens):
        text = f"{ANYTHING}(?:{''.join(tokens)}){ANYTHING}"
    else:
        starts = tokens[:1] != [] and tokens[0] in _STARTS
        ends = len(tokens) > starts and tokens[-1] in _ENDS
        inner = "".join(tokens[starts : len(tokens) - ends])
        text = f"{'' if starts else ANYTHING}{inner}{'' if ends else ANYTHING}"
    if not is_linear(text) or not text:
        raise ValueError("a pattern that needs more than linear time, or that matches nothing but an empty text")
    return text


def any_of(texts: Iterable[str]) -> str:
    """Return the pattern of a whole value in which one of some patterns finds a match. Raises ValueError."""
    found = [text if is_linear(text) else re.escape(text) for text in texts]
    return whole(found[0] if len(found) == 1 else "|".join(f"(?:{text})" if "|" in text else text for text in found))


def _ascii(token: str) -> str:
    """Return a token in which digits and words are ASCII, as they are for JavaScript and Go."""
    if token.startswith("["):
        return re.sub(r"\\[dw]", lambda found: _ASCII[found[0]][1:-1], token)
    return _ASCII.get(token, token)


def _has_choice(tokens: list[str]) -> bool:
    """Whether alternatives stand outside of every group."""
    depth = 0
    for part in tokens:
        depth += (part == "(") - (part == ")")
        if part == "|" and depth == 0:
            return True
    return False

"""Regular expressions that match in linear time, so that a hostile value or pattern can't stop the program."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, TypeAlias

from pydantic import AfterValidator
from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

from reconciler.model.fields import Pattern, fail, for_models
from reconciler.patterns import regex

MAX_STEPS = 20_000_000
"""What the texts of one call may cost, each character as many steps as ``weight`` says: half a second at most.

Linear in the text is not enough: an engine may keep each position of a pattern in mind at each character, and no other call
goes on meanwhile. 100 kB took 11 s with a pattern of 5,000 positions.
"""
_TOKEN = regex(
    r"(?P<atom>\\[xuUpP]\{[^}]*\}|\\.|\[\^?\]?(?:\\.|\[:[^\]]*:\]|[^\]\\])*\])|(?P<open>\()|(?P<close>\))"
    r"|\{(?P<least>\d+)(?P<more>,?)(?P<most>\d*)\}|(?P<other>.)",
    re.DOTALL,
)
_VERBOSE = regex(r"\(\?[a-zA-Z-]*x")


@lru_cache(maxsize=1024)
def weight(pattern: str) -> int:
    """Return how many positions a pattern has at most once its counted repetitions are written out."""
    tokens = [*_TOKEN.finditer(pattern)]
    if _VERBOSE.search(pattern):  # comments may hold parentheses that are none
        total = len(pattern)
        for token in tokens:
            total *= _times(token)
        return total
    sums, last = [0], 0
    for token in tokens:
        if token["open"]:
            sums.append(0)
            last = 0
        elif token["close"] and len(sums) > 1:
            last = sums.pop() + 1
            sums[-1] += last
        elif token["least"]:
            more = last * (_times(token) - 1)
            last += more
            sums[-1] += more
        else:
            last = 1
            sums[-1] += 1
    return sum(sums)


def _times(token: re.Match[str]) -> int:
    """Return how often a token repeats what stands before it."""
    if not token["least"]:
        return 1
    least, most = (int(token[name][:9] or 0) for name in ("least", "most"))
    return max(least + 1 if token["more"] else least, most, 1)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> SchemaValidator | None:
    # pydantic's own engine is Rust's: no back-references, no look-around, and never more than linear time
    try:
        SchemaValidator(core_schema.str_schema(pattern=pattern))
        return SchemaValidator(core_schema.str_schema(pattern=rf"\A(?:{pattern})\z"))
    except SchemaError:
        return None


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches."""
    compiled = _compiled(pattern)
    if compiled is None:
        return False
    try:
        compiled.validate_python(text)
    except ValidationError:
        return False
    return True


def is_linear(pattern: str) -> bool:
    """Whether the pattern can be matched in linear time."""
    return _compiled(pattern) is not None


def _linear(pattern: str) -> str:
    if not is_linear(pattern):
        raise fail("invalid-pattern", "expected a regular expression without back-references and look-around")
    return pattern


LinearPattern: TypeAlias = Annotated[Pattern, AfterValidator(for_models), AfterValidator(_linear)]

"""Patterns of a customer's own, on RE2: linear in the text, in bounded memory, without back-references and look-around."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from reconciler.kinds.pattern_shape import PatternShape, shape_of
from reconciler.runtime.guardrails.detector import Detector, Span, run_tail

MEMORY = 8 * 2**20
"""Bytes that one pattern may take; one that needs more is not compiled."""


class NotUsable(Exception):
    """RE2 is not installed, or does not take a pattern."""


@lru_cache(maxsize=1024)
def detector_of(name: str, pattern: str) -> Detector:
    """Return a detector of a pattern's longest matches. Raises NotUsable."""
    try:
        import re2
    except ImportError:
        raise NotUsable(f"{name}: google-re2 is not installed") from None
    options = re2.Options()
    options.max_mem, options.longest_match, options.log_errors = MEMORY, True, False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error:
        raise NotUsable(f"{name}: RE2 does not take this pattern") from None
    shape = shape_of(pattern)
    width = None if shape.is_anchored else shape.width
    return Detector(name, _finder(compiled), _tail(shape, width), width)


def _finder(compiled: Any) -> Callable[[str, int], Span | None]:
    def find(text: str, start: int) -> Span | None:
        while start <= len(text):
            found = compiled.search(text, start)
            if found is None:
                return None
            begin, end = found.span()
            if end > begin:
                return begin, end
            start = end + 1  # an empty match hides nothing
        return None

    return find


def _tail(shape: PatternShape, width: int | None) -> Callable[[str], int]:
    if width is None:
        return lambda _text: 0
    if shape.characters is not None:
        return run_tail(shape.characters, width, shape.characters)
    return lambda text: max(0, len(text) - width)

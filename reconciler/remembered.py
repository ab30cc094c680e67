"""A function of a text, remembered for the small texts that come again and again; large ones are worked out each time."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
LARGEST = 4096
"""Characters or bytes of a text that is remembered."""


def remembered(most: int) -> Callable[[F], F]:
    """For a function whose last argument is the text; ``most`` is how many results are kept."""

    def decorate(function: F) -> F:
        known = lru_cache(maxsize=most)(function)

        @wraps(function)
        def of_many(*arguments: Any) -> Any:
            return known(*arguments) if len(arguments[-1]) <= LARGEST else function(*arguments)

        @wraps(function)
        def of_two(first: Any, text: Any) -> Any:
            return known(first, text) if len(text) <= LARGEST else function(first, text)

        @wraps(function)
        def of_text(text: Any) -> Any:
            return known(text) if len(text) <= LARGEST else function(text)

        # with names for its arguments a call takes half the time, and most are made with one or two
        return {1: of_text, 2: of_two}.get(function.__code__.co_argcount, of_many)  # type: ignore[return-value]

    return decorate

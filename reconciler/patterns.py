"""Regular expressions that are compiled when they are first used: a command imports many, and uses few of them."""

from __future__ import annotations

import re
from typing import Any, cast


class _Later:
    """Has the methods of the compiled pattern, each from its first use on."""

    def __init__(self, text: str, flags: int) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, found)
        return found


def regex(text: str, flags: int = 0) -> re.Pattern[str]:
    """Return what `re.compile` does for its methods; it can't be handed to functions of `re`. Errors in it show at the first use."""
    return cast("re.Pattern[str]", _Later(text, flags))

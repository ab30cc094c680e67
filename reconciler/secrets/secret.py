"""A secret's value, wrapped so that it gets into no text by accident."""

from __future__ import annotations

from typing import NoReturn

from reconciler.secrets.scrub import remember


class Secret:
    """A value that can only be taken out on purpose: it has no text form, and is in no copy, pickle or JSON.

    Whatever the process writes from now on is scrubbed of it (see ``scrub``).
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        remember(value)
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is neither copied nor pickled")

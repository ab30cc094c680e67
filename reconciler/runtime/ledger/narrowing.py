"""What evidence is asked for, read from texts: one grammar for the command and the operators' API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from reconciler.model.address import is_name

OUTCOMES = ("success", "failure", "timeout", "blocked", "unknown", "running", "denied")
"""``running`` has no outcome yet, ``denied`` was refused."""
MOST_CHARACTERS = 255


class Narrowed(NamedTuple):
    """What evidence has to be, everything where nothing is given. Moments are seconds since 1970; ``until`` is excluded."""

    caller: str | None = None
    target: str | None = None
    outcome: str | None = None
    run: str | None = None
    since: float | None = None
    until: float | None = None


ALL = Narrowed()
WORDS = {"caller": "caller", "target": "target", "outcome": "outcome", "run": "run", "from": "since", "to": "until"}
"""How each is called in a URL and as an option."""


class NotNarrowing(ValueError):
    """``name`` has a value that it can't have; the text says what was expected."""

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(expected)
        self.name = name


def narrowed(given: Mapping[str, str | None]) -> Narrowed:
    """Return what texts by their ``WORDS`` ask for. Raises NotNarrowing."""
    found: dict[str, str | float] = {}
    for word, name in WORDS.items():
        text = given.get(word)
        if text is not None:
            found[name] = moment_of(word, text) if name in {"since", "until"} else _text(word, text)
    return Narrowed(**found)  # type: ignore[arg-type]


def moment_of(word: str, text: str) -> float:
    """Return seconds since 1970 of an ISO 8601 date or moment, in UTC where it names no offset. Raises NotNarrowing."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise NotNarrowing(
            word, "expected a date or a moment (ISO 8601), e.g. 2026-11-30 or 2026-11-30T12:00Z"
        ) from None


def _text(word: str, text: str) -> str:
    if word == "caller" and not is_name(text):
        raise NotNarrowing(word, "expected a caller's name")
    if word == "outcome" and text not in OUTCOMES:
        raise NotNarrowing(word, f"expected one of {', '.join(OUTCOMES)}")
    if not (0 < len(text) <= MOST_CHARACTERS and text.isprintable()):
        raise NotNarrowing(word, f"expected 1 to {MOST_CHARACTERS} plain characters")
    return text

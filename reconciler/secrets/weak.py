"""Which secrets can't be told from other text: too short ones, and texts that this program writes itself."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from reconciler.secrets.secret import Secret

SHORT = 8
"""Characters; what has fewer is masked nowhere, or in every other word."""
_ROOMS = ("render", "plan", "diff")
"""What is written about plans and drift."""
_MORE_ROOMS = ("model", "planner", "drift", "history", "lint")


def weakness(secret: Secret) -> str | None:
    """Return why a secret can't be kept out of text for certain; None for one that looks like nothing else."""
    value = secret.reveal()
    if len(value) < SHORT:
        return f"it has fewer than {SHORT} characters"
    parts = [part for part in re.split(r"[0-9\s]{2,}|[0-9]", value) if part.strip()]
    if is_own_word(value) or all(part.strip() in _own_texts() for part in parts):
        return "it is a text that reports hold anyway"
    return None


def is_own_word(text: str) -> bool:
    """Whether this program writes a text as a value of its own, as one of a few."""
    return f'"{text}"' in _texts_of((*_ROOMS, *_MORE_ROOMS))


def _own_texts() -> str:
    """Return what the renderers are made of; a count or a name may stand between two of their texts."""
    return _texts_of(_ROOMS)


@cache
def _texts_of(rooms: tuple[str, ...]) -> str:
    top = Path(__file__).parents[1]
    return "\n".join(file.read_text() for room in rooms for file in sorted((top / room).rglob("*.py")))

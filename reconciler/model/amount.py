"""A number with its noun, as messages and reports write it."""

from __future__ import annotations


def amount(number: int, noun: str, plural: str = "") -> str:
    """Return e.g. ``1 file`` or ``2 files``; ``plural`` where that is more than an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"

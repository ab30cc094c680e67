"""Which whole numbers JSON keeps here, and which of them a reader with floats keeps."""

from __future__ import annotations

from decimal import Decimal

SAFE_INTEGER = 2**53 - 1
"""The greatest whole number that every reader of JSON keeps (RFC 8259, section 6)."""
LEAST_INTEGER, MOST_INTEGER = -(2**63), 2**64 - 1
"""The whole numbers that orjson, both databases and the engine of JSON Schemas carry exactly."""


def is_whole(value: float | Decimal) -> bool:
    """Whether a finite number is a whole one that is kept; a float beyond 2^53 may stand for another number."""
    if isinstance(value, float) and not abs(value) <= SAFE_INTEGER:
        return False
    return LEAST_INTEGER <= value <= MOST_INTEGER and value == int(value)

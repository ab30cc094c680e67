"""Numbers, truth values and periods as other tools' YAML has them, turned into what manifests want."""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation

from reconciler.convert.ledger import Node
from reconciler.model.integers import LEAST_INTEGER, MOST_INTEGER, SAFE_INTEGER, is_whole

_PERIODS = {
    "1s": "second", "1m": "minute", "60s": "minute", "1h": "hour", "60m": "hour", "3600s": "hour", "1d": "day",
    "24h": "day", "86400s": "day", "daily": "day", "1mo": "month", "30d": "month", "31d": "month", "28d": "month",
    "monthly": "month",
}  # fmt: skip


def is_true(value: object) -> bool:
    """Whether a switch is on, also as text."""
    return value is True or (isinstance(value, str) and value.strip().lower() in {"true", "yes", "on"})


def is_false(value: object) -> bool:
    """Whether a switch is off, also as text."""
    return value is False or (isinstance(value, str) and value.strip().lower() in {"false", "no", "off"})


def whole(node: Node | None, least: int, most: int, wanted: str = "a whole number") -> int | None:
    """Return an integer, `20_000` as YAML 1.1 writes it included; anything else is left out."""
    if node is None:
        return None
    value = node.value
    if isinstance(value, str) and re.fullmatch(r"[0-9]+(_[0-9]+)*", value):
        value = int(value.replace("_", "")) if len(value) <= 20 else None
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        node.left(f"expected {wanted} from {least} to {most}")
        return None
    node.carry()
    return value


def amount(node: Node | None) -> Decimal | None:
    """Return an amount of money from 0."""
    if node is None:
        return None
    try:
        value = Decimal(str(node.value).replace("_", ""))
    except InvalidOperation:
        value = Decimal(-1)
    if isinstance(node.value, bool) or not value.is_finite() or not 0 <= value < 10**15:
        node.left("expected an amount of money")
        return None
    node.carry()
    return round(value, 9)


def period(node: Node | None) -> str | None:
    """Return the period of a limit for a duration such as `30d`."""
    if node is None:
        return None
    found = _PERIODS.get(str(node.value).strip().lower())
    if found is None:
        node.left("limits count by second, minute, hour, day or month")
        return None
    if found == "month" and node.value not in ("1mo", "monthly"):
        node.note("counted by calendar months here")
    node.carry()
    return found


def bounded(value: int | Decimal, is_least: bool, node: Node) -> int | Decimal | None:
    """Return a bound that JSON keeps here, narrowed where it has to be; None for one that would get wider by that."""
    if is_whole(value):
        return int(value)
    if -SAFE_INTEGER <= value <= SAFE_INTEGER:
        return value
    near = math.ceil(value) if is_least else math.floor(value)
    kept = min(max(near, LEAST_INTEGER), MOST_INTEGER)
    if kept < near if is_least else kept > near:
        return None
    node.note("numbers beyond 2^53 are whole ones from -2^63 to 2^64 - 1 here: the bound is narrowed to that")
    return kept

"""One strict JSON reader and writer: what passes is not altered, and what would be altered is refused.

Read: integers up to 4,300 digits, decimals exactly (as a float where its shortest form denotes the same number, else as
a Decimal), UTF-8 text. Refused: duplicate keys, NaN and infinities, lone surrogates, numbers beyond a float's range,
more than ``MAX_DEPTH`` levels. Grammar: RFC 8259, restricted as I-JSON (RFC 7493) but for the size of numbers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

MAX_DEPTH = 100
"""Levels of lists and maps inside each other."""
_SURROGATE = re.compile("\\\\u[dD][89a-fA-F]|[\ud800-\udfff]")
"""Written as an escape, or left in a text by a lax decoder."""


class NotStrict(ValueError):
    """What is read or written is no strict JSON; the text says why, and repeats no value."""


def read(data: bytes | str) -> Any:
    """Return the value of a JSON text. Raises NotStrict."""
    try:
        text = data if isinstance(data, str) else data.decode()
        found = _DECODER.decode(text)
    except NotStrict:
        raise
    except UnicodeDecodeError:
        raise NotStrict("this is not UTF-8") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise NotStrict("this is no JSON") from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _bounded(found)
    if _SURROGATE.search(text):
        write(found)
    return found


def write(value: Any) -> bytes:
    """Return the JSON text of a value without spaces. Raises NotStrict for what JSON can't hold."""
    return _written(value, _ENCODER)


def write_sorted(value: Any) -> bytes:
    """Return the same with sorted keys: equal values give equal bytes. Raises NotStrict."""
    return _written(value, _SORTING_ENCODER)


def _written(value: Any, encoder: msgspec.json.Encoder) -> bytes:
    try:
        found = encoder.encode(value)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeEncodeError:
        raise NotStrict("a lone surrogate is no character") from None
    except (TypeError, ValueError, OverflowError):
        raise NotStrict("a value has a type that JSON does not know") from None
    # what the encoder makes of numbers that are not finite
    if b"null" in found or b"NaN" in found or b"Infinity" in found:
        _finite(value)
    if found.count(b"[") + found.count(b"{") > MAX_DEPTH:
        _bounded(value)
    return found


def require(value: Any) -> None:
    """Raise NotStrict for a value that a strict text could not have given."""
    write(value)


def embedded(text: bytes) -> Any:
    """Return a JSON text as a value that ``write`` copies as it is."""
    return msgspec.Raw(text)


def lax(text: str) -> Any:
    """Return the value of nearly any text that was meant as JSON; long numbers become 0. Raises ValueError, RecursionError."""
    return _LAX.decode(text.lstrip("\ufeff"))


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as a dict. Raises NotStrict."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotStrict("a key stands twice in one object")
    return found


def _number(text: str) -> float | Decimal:
    found = float(text)
    if not math.isfinite(found):
        raise NotStrict("a number is beyond the range of a float")
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise NotStrict("a number is beyond the range of a float") from None
    if Decimal(repr(found)) == exact:
        return found
    if abs(exact.adjusted()) > _MOST_EXPONENT:
        raise NotStrict("a number is beyond the range of a float")
    return exact


_MOST_EXPONENT = 400


def _constant(_text: str) -> NoReturn:
    raise NotStrict("NaN and infinities are no JSON")


def _bounded(value: Any) -> None:
    """Raise NotStrict for more than ``MAX_DEPTH`` levels."""
    level, depth = [value], 0
    while level := [one for one in level if isinstance(one, Mapping | list | tuple)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        level = [part for one in level for part in _parts(one)]


def _parts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _finite(value: Any) -> None:
    level = [value]
    while level:
        if any(isinstance(one, float | Decimal) and not math.isfinite(one) for one in level):
            raise NotStrict("NaN and infinities are no JSON")
        level = [part for one in level for part in _parts(one)]


def _too_deep() -> NotStrict:
    return NotStrict(f"more than {MAX_DEPTH} levels inside each other")


_DECODER = json.JSONDecoder(object_pairs_hook=unique_keys, parse_float=_number, parse_constant=_constant)
_LAX = json.JSONDecoder(strict=False, parse_int=lambda text: int(text) if len(text) < 20 else 0)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SORTING_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")

"""One strict JSON reader and writer: what passes is not altered, and what would be altered is refused.

A value is null, a boolean, text, a number, a list or a map whose keys are text: nothing else, and nothing that only
looks like it. Numbers are finite and within a float's range; integers have at most ``MAX_DIGITS`` digits, decimals are
exact (a float where its shortest form denotes the same number, else a Decimal). Refused: duplicate keys, NaN and
infinities, lone surrogates, more than ``MAX_DEPTH`` levels or ``MAX_VALUES`` values, and what is no UTF-8.
Grammar: RFC 8259, restricted as I-JSON (RFC 7493) but for the size of numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import Any, NoReturn

import msgspec

from reconciler.patterns import regex

MAX_DEPTH = 100
"""Levels of lists and maps inside each other."""
MAX_DIGITS = 4300
"""Of an integer: Python itself turns no longer text into one."""
MAX_VALUES = 10_000_000
_TOKEN = regex(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_SURROGATE = regex("\\\\u[dD][89a-fA-F]|[\ud800-\udfff]")
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
    except json.JSONDecodeError:
        raise NotStrict("this is no JSON") from None
    except ValueError:
        raise _too_long() from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _judge(found)
    if _SURROGATE.search(text):
        _encoded(found, _ENCODER)
    return found


class Unreadable:
    """Stands for a part of a text that is no strict JSON: no writer takes it. ``value`` is what a lax reader would return."""

    def __init__(self, value: Any = None) -> None:
        self.value = value


def read_around_faults(data: bytes) -> Any:
    """Return the value of a JSON text, with an Unreadable in place of each part that is not strict.

    A lone surrogate stays, and so does what is no UTF-8, as one: the writers refuse both. Raises NotStrict for what is no JSON.
    """
    text = data.decode(errors="surrogateescape")
    try:
        return _AROUND.decode(text)
    except RecursionError:
        pass
    except ValueError:
        raise NotStrict("this is no JSON") from None
    try:
        return _AROUND.decode(_shallow(text))
    except (ValueError, RecursionError):
        raise NotStrict("this is no JSON") from None


def _shallow(text: str) -> str:
    """Return the text with NaN in place of each value that lies too deep."""
    kept, depth, begins = list[str](), 0, 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept.append(text[begins : token.start()])
        elif token[0] in "]}":
            depth -= 1
            if depth == MAX_DEPTH:
                kept.append("NaN")
                begins = token.end()
    return "".join([*kept, text[begins:]]) if depth <= MAX_DEPTH else ""


def write(value: Any) -> bytes:
    """Return the JSON text of a value without spaces. Raises NotStrict for what a strict text could not have given."""
    _judge(value)
    return _encoded(value, _ENCODER)


def write_sorted(value: Any) -> bytes:
    """Return the same with sorted keys: equal values give equal bytes. Raises NotStrict."""
    _judge(value)
    return _encoded(value, _SORTING_ENCODER)


def write_around(value: Any) -> bytes:
    """Return the JSON text of a value that may hold texts from ``embedded``. Raises NotStrict."""
    _judge(value, _PLAIN_AROUND)
    return _encoded(value, _ENCODER)


def size_of(row: Any) -> int:
    """Return the bytes that a part of a value takes up; the whole is judged when it is written. Raises NotStrict."""
    return len(_encoded(row, _ENCODER))


def _encoded(value: Any, encoder: msgspec.json.Encoder) -> bytes:
    try:
        return encoder.encode(value)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeEncodeError:
        raise NotStrict("a lone surrogate is no character") from None
    except (TypeError, OverflowError):
        raise _unknown_type() from None
    except ValueError:
        raise _too_long() from None


def embedded(text: bytes) -> Any:
    """Return a JSON text, that was written strictly, as a value that ``write_around`` copies as it is."""
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
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise _out_of_range() from None
    if math.isfinite(found) and Decimal(repr(found)) == exact:
        return found
    _require_range(exact)
    return exact


def _require_range(number: float | Decimal) -> None:
    """Raise NotStrict for a number that is not finite, or that readers with floats can't hold."""
    if isinstance(number, Decimal) and not number.is_finite():
        raise _not_finite()
    if isinstance(number, Decimal) and (abs(number.adjusted()) > _MOST_EXPONENT or not math.isfinite(float(number))):
        raise _out_of_range()
    if not math.isfinite(number):
        raise _not_finite()


def _or_unreadable(read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except ValueError:
        return Unreadable()


_MOST_EXPONENT = 400


def _constant(_text: str) -> NoReturn:
    raise _not_finite()


_CONTAINERS: frozenset[type] = frozenset({dict, list, tuple})
_FRACTIONS: frozenset[type] = frozenset({float, Decimal})


def _judge(value: Any, plain: frozenset[type] | None = None) -> None:
    """Raise NotStrict for other types, numbers out of range, too many levels or values: level by level, without recursion."""
    plain = plain or _PLAIN
    if _is_plain(value, plain):
        return
    known = plain | _FRACTIONS | _CONTAINERS
    level, depth, count = [value], 0, 1
    while True:
        types = {*map(type, level)}
        if not types <= known:
            raise _unknown_type()
        if not types.isdisjoint(_FRACTIONS):
            for one in level:
                if type(one) in _FRACTIONS:
                    _require_range(one)
        if types.isdisjoint(_CONTAINERS):
            return
        containers = [one for one in level if type(one) in _CONTAINERS]
        depth, count = depth + 1, count + sum(map(len, containers))
        if depth > MAX_DEPTH:
            raise _too_deep()
        if count > MAX_VALUES:
            raise NotStrict(f"more than {MAX_VALUES} values")
        level = [*chain.from_iterable(map(_parts, containers))]


def _is_plain(value: Any, plain: frozenset[type]) -> bool:
    """Whether a value is a short list or map of ``plain`` types, or of such maps: most are, and that is seen at once."""
    kind = type(value)
    if kind is dict:
        return len(value) <= _FEW and plain.issuperset(map(type, value.values())) and _KEYS.issuperset(map(type, value))
    if kind is list and len(value) <= _FEW:
        return all(type(one) in plain or (type(one) is dict and _is_plain(one, plain)) for one in value)
    return kind in plain


def _parts(container: Any) -> Any:
    if type(container) is not dict:
        return container
    if not {*map(type, container)} <= _KEYS:
        raise _unknown_type()
    return container.values()


_KEYS: frozenset[type] = frozenset({str})
_PLAIN: frozenset[type] = frozenset({type(None), bool, int, str})
_PLAIN_AROUND = _PLAIN | {msgspec.Raw}
_FEW = 100


def _too_deep() -> NotStrict:
    return NotStrict(f"more than {MAX_DEPTH} levels inside each other")


def _too_long() -> NotStrict:
    return NotStrict(f"an integer of more than {MAX_DIGITS} digits is no JSON number here")


def _not_finite() -> NotStrict:
    return NotStrict("NaN and infinities are no JSON")


def _out_of_range() -> NotStrict:
    return NotStrict("a number is beyond the range of a float")


def _unknown_type() -> NotStrict:
    return NotStrict("a value has a type that JSON does not know")


_DECODER = json.JSONDecoder(object_pairs_hook=unique_keys, parse_float=_number, parse_constant=_constant)
_AROUND = json.JSONDecoder(
    object_pairs_hook=lambda pairs: found if len(found := dict(pairs)) == len(pairs) else Unreadable(found),
    parse_float=lambda text: _or_unreadable(_number, text),
    parse_int=lambda text: _or_unreadable(int, text),
    parse_constant=lambda _: Unreadable(),
)
_LAX = json.JSONDecoder(strict=False, parse_int=lambda text: int(text) if len(text) < 20 else 0)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SORTING_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")

"""What passes the strict reader and writer is not altered; what would be altered is refused."""

from __future__ import annotations

import json
import math
import time
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.strict_json import MAX_DEPTH, NotStrict, embedded, read, write, write_around

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(10**60), 10**60) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert read(write(value)) == value


@given(st.integers(-(10**30), 10**30), st.integers(0, 30))
def test_a_decimal_of_any_length_passes_unchanged(digits: int, places: int) -> None:
    text = f"{digits}.{'0' * places}1"
    assert Decimal(write(read(text)).decode()) == Decimal(text)


@pytest.mark.parametrize("text", ["12345678901234567.89", "0.1000000000000000055511151231257827", "9" * 30, "1e-320"])
def test_numbers_are_exact(text: str) -> None:
    assert Decimal(write({"n": read(text)}).decode()[5:-1]) == Decimal(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a":1,"a":2}', "twice"),
        ('{"a":{"b":1,"b":1}}', "twice"),
        ('{"a":1,"\\u0061":2}', "twice"),
        ("NaN", "NaN"),
        ("[-Infinity]", "NaN"),
        ("1e400", "range"),
        ("-1e999999999", "range"),
        ("1e-999999999", "range"),
        ("1e-99999999999999999999", "range"),
        ("0e99999999999999999999", "range"),
        ("-0.0e-99999999999999999999", "range"),
        ("9" * 5000, "no JSON"),
        ('"\\ud800"', "surrogate"),
        ('{"\\udfff":1}', "surrogate"),
        ('["\udcff"]', "surrogate"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "levels"),
        ("[" * 100_000 + "]" * 100_000, "levels"),
        ('{"a":' * 200 + "1" + "}" * 200, "levels"),
        ("{'a':1}", "no JSON"),
        ("[1,]", "no JSON"),
        ("01", "no JSON"),
        ("\ufeff1", "no JSON"),
        ('"a\nb"', "no JSON"),
        ("", "no JSON"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(NotStrict, match=why):
        read(text)


def test_what_is_no_utf8_is_refused() -> None:
    with pytest.raises(NotStrict, match="UTF-8"):
        read(b'"\xff"')


@pytest.mark.parametrize(
    "value", [math.nan, [math.inf], {"a": None, "b": -math.inf}, Decimal("NaN"), "\ud800", object()]
)
def test_what_json_can_not_hold_is_not_written(value: Any) -> None:
    with pytest.raises(NotStrict):
        write(value)


def test_depth_is_bounded_on_both_sides() -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH):
        deep = [deep]
    assert read(write(deep)) == deep
    with pytest.raises(NotStrict, match="levels"):
        write([deep])
    assert read(json.dumps("[" * 300)) == "[" * 300


class Text(str):
    """Looks like text."""


@pytest.mark.parametrize(
    "value",
    [
        {1: 1, "1": 2},
        {None: 1},
        {Text("a"): 1},
        {1},
        frozenset(),
        b"x",
        bytearray(),
        Text("a"),
        range(3),
        msgspec.Raw(b"NaN"),
        Decimal("sNaN"),
        Decimal("1e999999"),
        Decimal("1e-999999"),
        [10**5000],
        [-(10**5000)],
    ],
)
def test_what_only_looks_like_json_is_not_written(value: Any) -> None:
    for whole in (value, [value], {"a": [value]}):
        with pytest.raises(NotStrict):
            write(whole)


def test_what_goes_round_or_multiplies_is_not_written() -> None:
    loop: list[Any] = []
    loop += [loop, loop]
    laughs: Any = "ha"
    for _ in range(90):
        laughs = [laughs] * 10
    began = time.perf_counter()
    for value in (loop, laughs):
        with pytest.raises(NotStrict):
            write(value)
    assert time.perf_counter() - began < 10


def test_a_text_is_embedded_as_it_is() -> None:
    assert write_around({"a": embedded(write([1, "b"]))}) == b'{"a":[1,"b"]}'

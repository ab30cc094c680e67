"""The meaning of one scalar: YAML 1.2, tags, and numbers that are refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from reconciler.errors import Problem
from reconciler.load.documents import Document, read_documents


def read(text: str | bytes) -> tuple[list[Document], list[Problem]]:
    return read_documents(text.encode() if isinstance(text, str) else text, "f.yaml")


def value(text: str) -> Any:
    found, problems = read(text)
    assert problems == []
    assert len(found) == 1
    return found[0].value


def refused(text: str | bytes) -> list[tuple[str, int | None, int | None]]:
    _, problems = read(text)
    assert all(p.place is not None and p.place.file == "f.yaml" and p.message for p in problems)
    return [(p.code, p.place.line, p.place.column) for p in problems if p.place]


PLAIN = [
    ("null", None), ("Null", None), ("NULL", None), ("~", None), ("", None), ("nULL", "nULL"), ("none", "none"),
    ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False),
    ("tRUE", "tRUE"), ("yes", "yes"), ("Yes", "Yes"), ("no", "no"), ("NO", "NO"), ("on", "on"), ("off", "off"),
    ("y", "y"), ("n", "n"), ("t", "t"), ("f", "f"), ("truely", "truely"),
    ("0", 0), ("12", 12), ("+12", 12), ("-12", -12), ("-0", 0), ("010", 10), ("0o17", 15), ("0x1F", 31), ("0xff", 255),
    ("0o8", "0o8"), ("0O7", "0O7"), ("0xG", "0xG"), ("0b1", "0b1"), ("-0x1F", "-0x1F"), ("+0o7", "+0o7"),
    ("1_000", "1_000"), ("1,000", "1,000"), ("1:30", "1:30"), ("190:20:30", "190:20:30"), ("12e", "12e"),
    ("1.5", Decimal("1.5")), ("1.", Decimal(1)), (".5", Decimal("0.5")), ("-.5", Decimal("-0.5")),
    ("+1.50", Decimal("1.50")), ("1e3", Decimal("1e3")), ("1E-3", Decimal("0.001")), ("-1.5e+10", Decimal("-1.5e10")),
    (".e1", ".e1"), (".", "."), ("+", "+"), ("-.", "-."), ("..5", "..5"), ("1.2.3", "1.2.3"), ("1e5.5", "1e5.5"),
    ("2024-01-01", "2024-01-01"), ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
    (".infinity", ".infinity"), ("inf", "inf"), ("nan", "nan"), ("NaN", "NaN"), (".NAn", ".NAn"), (".iNF", ".iNF"),
    ("٣", "٣"), ("1٣", "1٣"), ("gpt-5", "gpt-5"), ("=", "="), ("1 2", "1 2"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), PLAIN)
def test_plain_scalars_mean_what_yaml_1_2_says(text: str, expected: Any) -> None:
    found = value(f"a: {text}\n")["a"]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("text", [text for text, _ in PLAIN])
@pytest.mark.parametrize("write", ["'{}'", '"{}"', "!!str {}", '! "{}"', "!!str '{}'", "&a '{}'", "! {}"])
def test_quotes_and_string_tags_make_text(text: str, write: str) -> None:
    assert value("a: " + write.format(text))["a"] == text


def test_a_block_scalar_is_text() -> None:
    assert value("a: |\n  12\nb: >-\n  true\n") == {"a": "12\n", "b": "true"}


@pytest.mark.parametrize("text", ["0.1", "2500.00", "3.141592653589793238462643383279502884197"])
def test_decimals_keep_what_is_written(text: str) -> None:
    assert str(value(f"a: {text}")["a"]) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!!int 12", 12), ("!!int '12'", 12), ("!!int 010", 10), ("!!float 1", Decimal(1)), ("!!float '1.5'", Decimal("1.5")),
        ("!!bool 'true'", True), ("!!null ''", None), ("!!null", None), ("!!map {a: 1}", {"a": 1}), ("!!seq [1]", [1]),
        ("! {a: 1}", {"a": 1}), ("!<tag:yaml.org,2002:str> 1", "1"), ("!!str", ""),
    ],
)  # fmt: skip
def test_standard_tags(text: str, expected: Any) -> None:
    found = value(f"a: {text}\n")["a"]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "text", ["!!int x", "!!int 1.5", "!!int ''", "!!float x", "!!bool yes", "!!bool 1", "!!null x"]
)
def test_a_tag_that_does_not_fit_is_a_problem(text: str) -> None:
    assert refused(f"a: {text}\n") == [("invalid-tag", 1, 4)]


@pytest.mark.parametrize("text", [".inf", "-.Inf", "+.INF", ".nan", ".NaN", ".NAN", "!!float .nan"])
def test_only_finite_numbers(text: str) -> None:
    assert refused(f"a: 1\nb: {text}") == [("not-a-number", 2, 4)]


@pytest.mark.parametrize(
    "text", ["1" * 26, "-" + "1" * 26, "0x" + "f" * 26, "0o" + "7" * 26, "1e1000", "1.5E-1000", "1." + "1" * 59]
)
def test_numbers_that_are_too_large(text: str) -> None:
    assert refused(f"a:\n  - {text}\n") == [("number-range", 2, 5)]
    assert all(p.width == 1 for p in read(f"a: {text}")[1]), "a caret of the value's width gives away its length"


@pytest.mark.parametrize("text", ["1" * 25, "-" + "1" * 25, "1e999", "1e-999", "1." + "1" * 58])
def test_numbers_at_the_limit(text: str) -> None:
    assert value(f"a: {text}")["a"] == Decimal(text)

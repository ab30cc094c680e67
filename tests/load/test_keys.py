"""Keys without a value: YAML allows them, and here they are always a mistake."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.load.documents import read_documents


def read(text: str) -> tuple[Any, list[tuple[str, int, int]]]:
    found, problems = read_documents(text.encode(), "f.yaml")
    places = [(p.code, p.place.line or 0, p.place.column or 0) for p in problems if p.place]
    return found[0].value if found else None, places


@pytest.mark.parametrize(
    ("text", "value", "places"),
    [
        ("{a: 1, b}", {"a": 1}, [(1, 8)]),
        ("{password:x}", {}, [(1, 2)]),
        ("{password, x}", {}, [(1, 2)]),
        ("{password,\n x}", {}, [(1, 2), (2, 2)]),
        ("\ufeff{a: , é, b: 1}", {"a": None, "b": 1}, [(1, 7)]),
        ("{'a' , \"b\"}", {}, [(1, 2)]),
        ("? a\n? b\nc: 1\n", {"c": 1}, [(1, 3), (2, 3)]),
        ("x: {a # c\n, b: {c}}", {"x": {"b": {}}}, [(1, 5), (2, 7)]),
        ("[{a}, {b: 1}]", [{}, {"b": 1}], [(1, 3)]),
    ],
)
def test_a_key_without_a_colon(text: str, value: Any, places: list[tuple[int, int]]) -> None:
    found, problems = read(text)
    assert found == value
    assert [place for code, *place in problems if code == "missing-value"] == [[*place] for place in places]


@pytest.mark.parametrize(
    "text",
    ["a:", "a:\nb:\n", "{a: , b: }", '{"a":, b: ~}', "? a\n:\n", "{? a : , b: ''}", "- a:\n- b:\n", "a: &x\nb: *x\n", "a: !!null\n"],
)  # fmt: skip
def test_an_empty_value_is_null(text: str) -> None:
    assert read(text)[1] == []

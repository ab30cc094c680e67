"""Bombs are refused at once, and any other file is read as other readers read it."""

from __future__ import annotations

import json
import resource
import time
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

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


def many(step: str, count: int, first: str) -> str:
    return first + "".join(step.format(this=i, last=i - 1) for i in range(1, count))


TEN = ", ".join(["*a{last}"] * 10)
BOMBS = {
    "flow lists": ("[" * 1_000_000, "too-deep"),
    "flow maps": ("{a: " * 30_000, "too-deep"),
    "block lists": ("- " * 1_000_000, "too-deep"),
    "block maps": ("".join(" " * i + "a:\n" for i in range(2_000)), "too-deep"),
    "keys of keys": ("? " * 100_000, "too-deep"),
    "billion laughs": (many("a{this}: &a{this} [" + TEN + "]\n", 30, "a0: &a0 [x, x]\n"), "too-many-nodes"),
    "merges": (many("a{this}: &a{this} {{<<: [" + TEN + "]}}\n", 30, "a0: &a0 {k: 1, j: 2}\n"), "too-many-nodes"),
    "quadratic": ("a: &a [" + "x, " * 20_000 + "]\nb: [" + "*a, " * 20_000 + "]", "too-many-nodes"),
    "a chain of aliases": (many("a{this}: &a{this} [*a{last}]\n", 3_000, "a0: &a0 [x]\n"), "too-deep"),
    "directives": ("%TAG !e! tag:x\n" * 100_000 + "--- a", "yaml-syntax"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_at_once(name: str) -> None:
    text, code = BOMBS[name]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    found, problems = read(text)
    assert time.perf_counter() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 100_000  # KiB
    assert found == []
    assert code in {p.code for p in problems} or problems[-1].code == "more-problems"


def test_the_budgets_leave_room() -> None:
    assert value("[" * 64 + "]" * 64)
    assert refused("[" * 65 + "]" * 65) == [("too-deep", 1, 65)]
    assert value("a: &a " + "[" * 31 + "]" * 31 + "\nb: " + "[" * 32 + "*a" + "]" * 32)
    assert [p[0] for p in refused("a: &a " + "[" * 32 + "]" * 32 + "\nb: " + "[" * 32 + "*a" + "]" * 32)] == [
        "too-deep"
    ]
    assert len(
        value(
            "base: &b {"
            + ", ".join(f"k{i}: {i}" for i in range(100))
            + "}\n"
            + "".join(f"n{i}: *b\n" for i in range(1_000))
        )
    )


@pytest.mark.parametrize(
    "text", ["--- a\n" * 50_000, "a: '" + "x" * 5_000_000 + "'", "- &a x\n" * 50_000, "k" * 1_000 + ": 1\n"]
)
def test_large_files_take_time_in_proportion(text: str) -> None:
    start = time.perf_counter()
    assert read(text)[1] == []
    assert time.perf_counter() - start < 5


# -- against other readers

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff\ufffe\uffff"))
SCALARS = st.none() | st.booleans() | st.integers(-(10**24), 10**24) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5), max_leaves=30
)


@given(VALUES)
@example("no")
@example({"<<": {"a": "1_000"}, "": [[], {}], "~": "0o7", "'": '"'})
def test_what_json_writes_reads_back(given_value: Any) -> None:
    assert value(json.dumps(given_value, ensure_ascii=False)) == given_value
    assert value(json.dumps(given_value, ensure_ascii=False, indent=2, separators=(",", ":"))) == given_value


@given(VALUES, st.booleans(), st.sampled_from(["'", '"', "|", None]))
def test_what_pyyaml_writes_reads_back(given_value: Any, flow: bool, style: str | None) -> None:
    text = yaml.safe_dump(
        given_value, default_flow_style=flow, allow_unicode=True, default_style="'" if style == "'" else None
    )
    expected = yaml.load(text, yaml.CSafeLoader)
    assert expected == given_value
    found, problems = read(text)
    assert not [p for p in problems if p.code not in ("number-range", "duplicate-key")]
    if not problems:
        assert as_1_1(found[0].value, given_value)


def as_1_1(found: Any, expected: Any) -> bool:
    """Equal, but for the few texts that are numbers in YAML 1.2 only: 0o7, 1e5, 08, .5e3."""
    if isinstance(expected, dict):
        same_keys = isinstance(found, dict) and sorted(found) == sorted(expected)
        return same_keys and all(as_1_1(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(as_1_1, found, expected))
    if isinstance(expected, str) and not isinstance(found, str):
        return isinstance(found, int | Decimal) and expected[:1] in "0123456789+-."
    return bool(found == expected) and type(found) is type(expected)


@given(st.text(alphabet="ab:-[]{}&*!<>|#'\"\\ \n\t,?%@0.~$"))
def test_any_text_gives_documents_or_problems(text: str) -> None:
    found, problems = read(text)
    assert all(p.place and p.place.line for p in problems), problems
    try:
        expected = list(yaml.load_all(text, yaml.CBaseLoader))
    except Exception:
        return
    if not problems:
        assert len(found) == len(expected)


@given(st.binary(max_size=200))
def test_any_bytes_give_documents_or_problems(data: bytes) -> None:
    _, problems = read(data)
    assert "cannot be read as YAML" not in repr(problems)

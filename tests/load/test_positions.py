"""The places of keys and values, and which scalars a line holds."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import Path
from reconciler.load.documents import read_documents
from reconciler.load.positions import Positions, Spot, read_positions

TEXT = """\
base: &base {token: s3cret, n: 1}
a:
  <<: *base
  k: "hunter2"   # comment
  list:
    - one
    - {b: 2, c: [33, 4]}
  sql: |
    select 1
    from x

  q: "multi
    line" # c
  below:
    12
z: *base
é€: x
"""


@pytest.fixture
def positions() -> Positions:
    return read_positions(TEXT.encode(), 0)


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ((), (1, 1, 1), (1, 1, 1)),
        (("base",), (1, 1, 4), (1, 7, 1)),
        (("base", "token"), (1, 14, 5), (1, 21, 6)),
        (("a",), (2, 1, 1), (3, 3, 1)),
        (("a", "k"), (4, 3, 1), (4, 6, 9)),
        (("a", "list"), (5, 3, 4), (6, 5, 1)),
        (("a", "list", 0), (6, 7, 3), (6, 7, 3)),
        (("a", "list", 1), (7, 7, 1), (7, 7, 1)),
        (("a", "list", 1, "b"), (7, 8, 1), (7, 11, 1)),
        (("a", "list", 1, "c", 0), (7, 18, 2), (7, 18, 2)),
        (("a", "sql"), (8, 3, 3), (8, 8, 1)),
        (("a", "q"), (12, 3, 1), (12, 6, 1)),
        (("a", "below"), (14, 3, 5), (15, 5, 2)),
        (("z",), (16, 1, 1), (16, 4, 5)),
        (("é€",), (17, 1, 2), (17, 5, 1)),
    ],
)
def test_places(positions: Positions, path: Path, key: Any, value: Any) -> None:
    assert positions.key(path) == Spot(*key)
    assert positions.value(path) == Spot(*value)
    assert positions.nearest(path) == Spot(*value)
    assert positions.nearest(path, on_key=True) == Spot(*key)


@pytest.mark.parametrize("path", [("a", "token"), ("z", "token")])
def test_what_comes_by_merge_or_alias_is_where_it_is_written(positions: Positions, path: Path) -> None:
    assert positions.key(path) == Spot(1, 14, 5)
    assert positions.value(path) == Spot(1, 21, 6)


@pytest.mark.parametrize(
    ("path", "spot"),
    [
        (("nope",), (1, 1, 1)),
        (("a", "nope"), (2, 1, 1)),
        (("a", "nope", "deeper", 1), (2, 1, 1)),
        (("a", "k", "nope"), (4, 3, 1)),
        (("a", "list", 7), (5, 3, 4)),
        (("a", "list", "x"), (5, 3, 4)),
        (("z", "nope"), (16, 1, 1)),
        (("a", "<<"), (2, 1, 1)),
    ],
)
def test_what_is_missing_is_at_the_key_of_its_parent(positions: Positions, path: Path, spot: Any) -> None:
    assert positions.nearest(path) == positions.nearest(path, on_key=True) == Spot(*spot)
    assert positions.key(path) is None
    assert positions.value(path) is None


END = 2**63 - 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (1, [(("base",), True, 0, 4), (("base", "token"), True, 13, 18), (("base", "token"), False, 20, 26),
             (("base", "n"), True, 28, 29), (("base", "n"), False, 31, 32)]),
        (2, [(("a",), True, 0, 1)]),
        (3, [(("a",), True, 2, 4), (("a",), False, 6, 11)]),
        (4, [(("a", "k"), True, 2, 3), (("a", "k"), False, 5, 14)]),
        (6, [(("a", "list", 0), False, 6, 9)]),
        (8, [(("a", "sql"), True, 2, 5), (("a", "sql"), False, 7, END)]),
        (9, [(("a", "sql"), False, 0, END)]),
        (10, [(("a", "sql"), False, 0, END)]),
        (12, [(("a", "q"), True, 2, 3), (("a", "q"), False, 5, END)]),
        (13, [(("a", "q"), False, 0, 9)]),
        (14, [(("a", "below"), True, 2, 7)]),
        (15, [(("a", "below"), False, 4, 6)]),
        (16, [(("z",), True, 0, 1), (("z",), False, 3, 8)]),
        (17, [(("é€",), True, 0, 2), (("é€",), False, 4, 5)]),
        (18, []), (0, []), (999, []),
    ],
)  # fmt: skip
def test_scalars_of_a_line(positions: Positions, line: int, expected: Any) -> None:
    assert positions.scalars_on(line) == expected


def test_merges() -> None:
    text = "x: &x {k: 1, j: 2}\ny: &y {k: 3, i: 4, l: [5]}\na:\n  <<: [*y, *x, {m: 6}]\n  i: 7\nb: {<<: {n: 8}}\nc: &c\n  <<: *x\nd: {<<: *c}\n"
    at = read_positions(text.encode(), 0)
    assert at.value(("a", "k")) == Spot(2, 11, 1)
    assert at.value(("a", "j")) == Spot(1, 17, 1)
    assert at.value(("a", "i")) == Spot(5, 6, 1)
    assert at.value(("a", "l", 0)) == Spot(2, 24, 1)
    assert at.value(("a", "m")) == Spot(4, 20, 1)
    assert at.value(("b", "n")) == Spot(6, 13, 1)
    assert at.value(("d", "k")) == Spot(1, 11, 1)
    assert (("a", "m"), False, 19, 20) in at.scalars_on(4), "what stands in << belongs to the mapping around it"
    assert (("b", "n"), False, 12, 13) in at.scalars_on(6)


def test_other_documents() -> None:
    data = b"a: 1\n---\nb: 2\n---\nc: 3\n"
    assert [read_positions(data, index).key((name,)) for index, name in enumerate("abc")] == [
        Spot(1, 1, 1),
        Spot(3, 1, 1),
        Spot(5, 1, 1),
    ]
    assert read_positions(data, 3).nearest(("a",)) == Spot(1, 1, 1)
    assert read_positions(b"", 0).nearest(()) == Spot(1, 1, 1)


def test_odd_keys() -> None:
    at = read_positions(b"? [x, {y: z}]\n: 1\n&k a: 1\nb: {*k : 2}\n'<<': 3\nc: 4\nc: 5\n", 0)
    assert at.key(("a",)) == Spot(3, 1, 4)
    assert at.value(("b", "a")) == Spot(4, 10, 1)
    assert at.value(("<<",)) == Spot(5, 7, 1)
    assert at.value(("c",)) == Spot(7, 4, 1), "the last one counts, as in the document"
    assert at.value(("c",)) is not None


def test_a_broken_file_has_positions_up_to_where_it_breaks() -> None:
    at = read_positions(b"a: {b: 1, c: [2, 3\nd: 4\n", 0)
    assert at.value(("a", "b")) == Spot(1, 8, 1)
    assert at.value(("a", "c", 0)) == Spot(1, 15, 1)
    assert at.nearest(("a", "zz")) == Spot(1, 1, 1)


@pytest.mark.parametrize(
    "data",
    [b"[" * 1_000_000, b"{a: " * 30_000, b"? " * 100_000, b"\xff\xfe", b"a: \x00", b"a: *a", b"a: &a [*a]", b"a: &a {<<: *a}", b"*a : 1", b"<<: *b"],
)  # fmt: skip
def test_hostile_files(data: bytes) -> None:
    start = time.perf_counter()
    at = read_positions(data, 0)
    assert at.nearest(("a", "b")).line >= 1
    assert isinstance(at.scalars_on(1), list)
    assert time.perf_counter() - start < 5


def test_a_bomb_of_merges_is_searched_once() -> None:
    ten = ", ".join(["*a{}"] * 10)
    text = "a0: &a0 {k: 1}\n" + "".join(
        f"a{i}: &a{i} {{<<: [{ten.replace('{}', str(i - 1))}]}}\n" for i in range(1, 30)
    )
    start = time.perf_counter()
    at = read_positions(text.encode(), 0)
    assert at.value(("a29", "k")) == Spot(1, 13, 1)
    assert at.value(("a29", "nope")) is None
    assert time.perf_counter() - start < 5


def test_a_large_file() -> None:
    text = "connectors:\n" + "".join(f"  c-{i}:\n    a: [x, {{b: {i}}}]\n" for i in range(20_000))
    start = time.perf_counter()
    at = read_positions(text.encode(), 0)
    for i in range(0, 20_000, 100):
        assert at.value(("connectors", f"c-{i}", "a", 1, "b")) == Spot(2 * i + 3, 16, len(str(i)))
        assert len(at.scalars_on(2 * i + 3)) == 4
    assert time.perf_counter() - start < 5


NAMES = st.text("abc", min_size=1, max_size=3)
VALUES = st.recursive(
    st.integers(0, 10**6) | st.text("xyz '\"#:,", max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


def leaves(value: Any, path: Path = ()) -> list[tuple[Path, Any]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))]
    return [(path, value)]


@given(VALUES, st.sampled_from([None, 2]))
def test_every_value_is_found_where_it_stands(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    lines = text.split("\n")
    documents, _ = read_documents(text.encode(), "f")
    assert documents[0].value == value
    at = read_positions(text.encode(), 0)
    for path, leaf in leaves(value):
        spot = at.value(path)
        assert spot is not None
        assert lines[spot.line - 1][spot.column - 1 : spot.column - 1 + spot.width] == json.dumps(leaf)
        assert (path, False, spot.column - 1, spot.column - 1 + spot.width) in at.scalars_on(spot.line)
        if path and isinstance(path[-1], str):
            key = at.key(path)
            assert key is not None
            assert lines[key.line - 1][key.column - 1 : key.column - 1 + key.width] == json.dumps(path[-1])

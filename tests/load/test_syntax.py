"""What cannot be read: its code, its place, and the words for it."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.errors import Place, Problem
from reconciler.load.documents import Document, read_documents


def read(text: str | bytes) -> tuple[list[Document], list[Problem]]:
    return read_documents(text.encode() if isinstance(text, str) else text, "f.yaml")


def refused(text: str | bytes) -> list[tuple[str, int | None, int | None]]:
    _, problems = read(text)
    assert all(p.place is not None and p.place.file == "f.yaml" and p.message for p in problems)
    return [(p.code, p.place.line, p.place.column) for p in problems if p.place]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a: 1\nb: \xff\n", ("not-utf8", 2, 4)),
        ("é: ".encode() + b"\xe9", ("not-utf8", 1, 4)),
        (b"a\r\nb\r\xff", ("not-utf8", 3, 1)),
        ("a: b".encode("utf-16"), ("not-utf8", 1, 1)),
        ("a: b".encode("utf-16-le"), ("invalid-character", 1, 2)),
        (b"a: 1\nb: x\x00y\n", ("invalid-character", 2, 5)),
        ("é: \x1b[31m".encode(), ("invalid-character", 1, 4)),
        ("a: \x9f".encode(), ("invalid-character", 1, 4)),
        ("a: 1\nb: '\u2028'".encode(), ("invalid-character", 2, 5)),
        ("a: '\x85'".encode(), ("invalid-character", 1, 5)),
        (b"\xed\xa0\x80", ("not-utf8", 1, 1)),
    ],
)
def test_what_is_not_text(data: bytes, expected: Any) -> None:
    assert refused(data) == [expected]


@pytest.mark.parametrize(
    "data", [bytes(range(256)) * 100, b"\x7fELF\x01\x02\x00a: &a *a", b"PK\x03\x04" + b"\x00" * 99]
)
def test_a_binary_file_is_one_problem(data: bytes) -> None:
    assert len(refused(data)) == 1
    assert len(refused(b"a: .nan\n" * 1000 + data)) == 1


@pytest.mark.parametrize(
    ("text", "expected", "word"),
    [
        ("a: b: c\n", (1, 5), "':' is not allowed"),
        ("a: 1\n  b: 2\n", (2, 4), "':' is not allowed"),
        ("a: 1\nfoo\nb: 2\n", (2, 1), "neither"),
        ("a: 1\nfoo", (2, 1), "neither"),
        ("a: [1, 2\nb: 3\n", (2, 2), "opened in line 1"),
        ("a:\n - [1, 2", (2, 4), "until the end"),
        ("a: {b: 1\nc: 2\n", (2, 2), "opened in line 1"),
        ("a: {b: 1\n", (1, 4), "until the end"),
        ("b: 1\na: 'x\nc: 3\n", (2, 4), "quote is not closed"),
        ('a: "x', (1, 4), "quote is not closed"),
        ("a: 'x'y\n", (1, 7), "line up"),
        ("a:\n - 1\n b: 2\n", (3, 2), "line up"),
        ("a: @x\n", (1, 4), "cannot start"),
        ("a: `x\n", (1, 4), "cannot start"),
        ("a: %x\n", (1, 4), "cannot start"),
        ('é: "\\q"\n', (1, 5), "escape"),
        ('a: "\\ud83d\\ude00"\n', (1, 7), "escape"),
        ("a: - b\n", (1, 4), "list item"),
        ("]", (1, 1), "value is expected"),
        ("a: 1\n... foo\n", (2, 5), "after the end"),
        ("a: !x!y z\n", (1, 4), "tag"),
        ("a: &\n", (1, 5), "anchor"),
        ("a: >x\n", (1, 5), "block scalar"),
        ("[a,", (1, 4), "value is expected"),
        ("%YAML 2.0\n---\na", (1, 1), "YAML"),
    ],
)
def test_syntax_errors_in_words(text: str, expected: tuple[int, int], word: str) -> None:
    assert refused(text) == [("yaml-syntax", *expected)]
    problem = read(text)[1][0]
    assert word in problem.message
    assert problem.hint


def test_an_unclosed_bracket_names_where_it_was_opened() -> None:
    assert read("x:\n  a: [1\nb: 2")[1][0].related == (("opened here", Place("f.yaml", 2, 6)),)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a:\n\tb: 1\n", [2]),
        ("a: |\n\tx\n", [2]),
        ("a: b\n\tc\n", [2]),
        ("\ta: 1", [1]),
        ("a: {\n\tb: 1,\n  c: 2,\n  \td: 3\n\t}\n", [2, 4, 5]),
        ("a: [\n\t1]\nb: |\n  x\n  \tx\n  \nc: 'x\n\ty'\nd: [x\n  \ty, 1]\ne: [\n\t\n # \t\n\t# c\n1]\n", [2]),
        ("a: 1\t# tab\nb:\t2\n", []),
    ],
)
def test_tabs_do_not_indent(text: str, lines: list[int]) -> None:
    assert [(p[0], p[1]) for p in refused(text)] == [("tab-indentation", line) for line in lines]

"""Whatever a file holds that can be read: the same values and comments, one form, and nothing to do the second time."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import Problem, Problems
from reconciler.layout import format as layout_format
from reconciler.layout.format import formatted
from reconciler.layout.write import WrittenDocument
from reconciler.layout.write import canonical as written
from reconciler.load.documents import read_documents
from reconciler.load.source import Source, parse_source
from tests.layout.odd import document

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
EXAMPLES = settings(max_examples=500, deadline=None, suppress_health_check=SLOW)
PIECES = [
    *[
        "a: ",
        "- ",
        "\n",
        "  ",
        "\n  ",
        "\n    ",
        "# c",
        "'x'",
        '"y"',
        "|",
        "|-\n",
        "|+\n",
        ">2\n",
        "[",
        "]",
        "{",
        "}",
        ", ",
    ],
    *[
        "&a ",
        "*a",
        "!!str ",
        "? ",
        "a",
        "b",
        "---\n",
        "...\n",
        "\r\n",
        "${x}",
        "<<: ",
        "\\",
        "''",
        "\n- ",
        "\t",
        ":",
        "#",
        "\ufeff",
    ],
]


def readable(text: str) -> Source | None:
    problems = Problems()
    source = parse_source("in.yaml", text.encode(), problems)
    return None if problems.found else source


def essence(text: str) -> str:
    """Without white space, quotes, and what stands behind the sign of a block of text."""
    return re.sub(r"[\s'\"\ufeff]", "", re.sub(r"([|>])[-+0-9]+", r"\1", text))


def check(text: str) -> bool:
    """Says whether there was something to format."""
    source = readable(text)
    if source is None:
        return False
    data = formatted(source)
    if isinstance(
        data, Problem
    ):  # what has no place in the first column: a key that begins like a marker, or with a mark
        assert re.search("(?m)^ +(---|\\.\\.\\.).*:|\ufeff.*:", text), text
        return True
    documents, problems = read_documents(data, "in.yaml")
    assert problems == []
    assert [one.value for one in documents] == [one.value for one in source.documents]
    assert [one.has_variables for one in documents] == [one.has_variables for one in source.documents]
    assert essence(data.decode()) == essence(text)
    assert formatted(Source("in.yaml", data, documents)) == data
    assert data == b"" or (data.endswith(b"\n") and not data.startswith(b"\n"))
    assert b"\r" not in data
    return True


@EXAMPLES
@given(st.randoms(use_true_random=False))
def test_odd_documents(dice: random.Random) -> None:
    check(document(dice))


def test_most_of_them_are_yaml() -> None:
    assert sum(check(document(random.Random(seed))) for seed in range(200)) > 120


@EXAMPLES
@given(st.lists(st.sampled_from(PIECES), max_size=16).map("".join))
def test_text_that_is_nearly_yaml(text: str) -> None:
    check(text)


@EXAMPLES
@given(st.text(alphabet="aab:-[]{}&*!<>|#'\"\\ \n\t,?%~.+2 \n  \n-:", max_size=30))
def test_signs_of_yaml(text: str) -> None:
    check(text)


def dropped_comment(text: str) -> WrittenDocument:
    made = written(text)
    return WrittenDocument(made.text.replace("  # c", ""), made.comments)


def other_value(text: str) -> WrittenDocument:
    return written(text.replace("1", "2"))


def other_number(text: str) -> WrittenDocument:
    return written(text.replace("1.0", "1.00"))


def no_alias(text: str) -> WrittenDocument:
    return written(text.replace("*x", "1.0"))


def broken(text: str) -> WrittenDocument:
    return WrittenDocument(text + "[", [])


def longer(text: str) -> WrittenDocument:
    return WrittenDocument(text + "\n", written(text).comments)


@pytest.mark.parametrize(
    ("writer", "words"),
    [
        (dropped_comment, "comments"),
        (other_value, "other values"),
        (other_number, "say something else"),
        (no_alias, "say something else"),
        (broken, "could not be read"),
        (longer, "twice"),
    ],
)
def test_a_writer_that_breaks_a_law_is_noticed(writer: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = readable("a: &x 1.0  # c\nb:   *x\n")
    assert source is not None
    assert isinstance(formatted(source), bytes)
    monkeypatch.setattr(layout_format, "canonical", writer)
    found = formatted(source)
    assert isinstance(found, Problem)
    assert found.code == "not-formatted"
    assert words in found.message

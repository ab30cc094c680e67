"""Lines of two texts: nothing is lost, and no text takes long."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.diff.lines import line_changes

TEXT = st.lists(st.sampled_from(["a", "b", "ab", "", " a", "a\u2028b", "a\r", "\x85", "a\vb\fc"]), max_size=12).map(
    "\n".join
)


def test_an_example() -> None:
    assert list(line_changes("a\nb\nc", "a\nx\nc\nd")) == [(" ", "a"), ("-", "b"), ("+", "x"), (" ", "c"), ("+", "d")]


@settings(derandomize=True, database=None)
@given(TEXT, TEXT)
def test_both_texts_can_be_read_from_it(before: str, after: str) -> None:
    changes = list(line_changes(before, after))
    assert [line for sign, line in changes if sign != "+"] == before.split("\n")
    assert [line for sign, line in changes if sign != "-"] == after.split("\n")
    if before == after:
        assert {sign for sign, _ in changes} <= {" "}


def test_long_lines_that_are_nearly_alike_end() -> None:
    """Compared inside of lines, as `ndiff` does, this takes minutes, and the suite would not end."""
    old = "\n".join(f"SELECT {'abcdefgh' * 200}{n}" for n in range(40))
    assert len(list(line_changes(old, old.replace("h", "i")))) == 80
    many = "x\n" * 30_000
    assert len(list(line_changes(many, many + "y"))) == 30_002

"""Cells, cuts and wraps: nothing is lost but what a cut says is cut, and no line is too wide."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.diff.visible import GOES_ON, visible
from reconciler.errors import Place, Problem
from reconciler.render.problems import problem_text
from reconciler.render.style import Style
from reconciler.render.width import cells, cut, cut_end, padded, wrapped

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
TEXT = st.text(st.sampled_from("ab   .日本한👍é\u0301\u202e\x1b❤\ufe0f→"), max_size=200).map(visible)
WIDTHS = st.sampled_from([20, 40, 80, 120, 200])


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("abc", 3),
        ("日本", 4),
        ("한", 2),
        ("e\u0301", 1),
        ("👍", 2),
        ("❤\ufe0f", 2),
        ("→", 1),
        ("…", 1),
        ("ｱ", 1),
        ("Ａ", 2),
    ],
)
def test_cells(text: str, width: int) -> None:
    assert cells(text) == width
    assert cells(padded(text, 10)) == 10


@given(TEXT, WIDTHS, st.integers(0, 30))
def test_wrapping_loses_nothing_but_blanks_of_prose_and_is_narrow_enough(text: str, width: int, indent: int) -> None:
    line = " " * indent + text
    lines = [*wrapped(line, width)]
    assert all(cells(one) <= width for one in lines)
    if line.startswith(" "):
        assert lines[0] + "".join(one.partition(GOES_ON)[2] for one in lines[1:]) == line
    else:
        assert "".join(lines).replace(" ", "") == line.replace(" ", "")
    if cells(line) <= width:
        assert lines == [line]


@given(st.lists(st.tuples(st.sampled_from(["", "red", "green"]), TEXT), max_size=6), WIDTHS)
def test_colours_go_on_and_end_with_each_line(parts: list[tuple[str, str]], width: int) -> None:
    style = Style(True)
    line = "  " + "".join(style.paint(text, colour) if colour else text for colour, text in parts)
    lines = [*wrapped(line, width)]
    assert all(cells(COLOUR.sub("", one)) <= width for one in lines)
    assert _painted(line) == [pair for one in lines for pair in _painted(one)]
    assert all((COLOUR.findall(one) or ["\x1b[0m"])[-1] == "\x1b[0m" for one in lines)


def _painted(line: str) -> list[tuple[str, str]]:
    """Each character that is no blank, with its colour."""
    now, found = "", []
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if COLOUR.fullmatch(part):
            now = "" if part == "\x1b[0m" else now + part
        else:
            found += [(now, character) for character in part if character not in (" ", GOES_ON)]
    return found


@given(TEXT, st.integers(4, 60))
def test_cuts_keep_both_ends(text: str, width: int) -> None:
    for short in (cut(text, width), cut_end(text, width)):
        assert cells(short) <= width
        assert short == text or "…" in short
    assert cut("begin" * 20 + "end", 20).endswith("end")


def test_further_lines_stand_further_in() -> None:
    line = '      ~ sql = "SELECT a FROM b" -> "SELECT a, b, c, d, e FROM b WHERE c = d"'
    assert [*wrapped(line, 40)] == [
        '      ~ sql = "SELECT a FROM b" ->',
        '          ↪ "SELECT a, b, c, d, e FROM b',
        '          ↪ WHERE c = d"',
    ]
    assert [*Style(False).lines(line)] == [line], "without a terminal nothing is wrapped"


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("before", ["", "x" * 150, "日本語" * 30])
@pytest.mark.parametrize("marked", ["m", "m" * 90])
def test_the_caret_stays_below_what_it_marks(width: int, before: str, marked: str) -> None:
    excerpt = f"{before}<{marked}>{'y' * 100}"
    problem = Problem(
        "code", "text", place=Place("a.yaml", 12, 3), excerpt=excerpt, caret=len(before) + 1, width=len(marked)
    )
    for room in (width, None):
        lines = problem_text(problem, Style(False, room)).splitlines()
        source, caret = next((lines[i], lines[i + 1]) for i, one in enumerate(lines) if one.startswith("  12 | "))
        assert room is None or cells(source) <= room
        at, long = caret.index("^"), caret.count("^")
        # the same cells of the source's line hold what is marked
        begin = next(i for i in range(len(source) + 1) if cells(source[:i]) == at)
        assert source[begin:].startswith(cut(marked, long))
        assert source[begin - 1] == "<"

"""Characters of a statement that a person and a database read differently, however they came in."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from reconciler.kinds.accept import accept
from reconciler.kinds.table import KINDS
from reconciler.kinds.template.legible import legible
from reconciler.model.address import Address

LINE_ENDS = "\r\v\f\x85\u2028\u2029"
DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
SPACES = "\xa0\u1680\u2000\u2007\u200a\u202f\u205f\u3000"
NOTHINGS = "\u200b\u200c\u200d\u2060\ufeff\xad\u034f\u115f\u180e\u2800\u3164\uffa0\ufe0f\U000e0041\U000e0100"


def _refused(text: str) -> str | None:
    try:
        legible(text)
    except PydanticCustomError as error:
        return error.message()
    return None


@pytest.mark.parametrize("character", LINE_ENDS + DIRECTIONS + "\x00\x1b\x9f")
def test_what_deceives_in_a_literal_too(character: str) -> None:
    for text in ("SELECT 1{}", "-- a comment{} \nSELECT 1", "SELECT '{}'", "SELECT $${}$$", 'SELECT "{}"'):
        assert _refused(text.replace("{}", character)), ascii(text)


@pytest.mark.parametrize("character", SPACES + NOTHINGS)
def test_what_stands_in_a_literal_as_anything_may(character: str) -> None:
    assert legible(f"SELECT 'a{character}b'") == f"SELECT 'a{character}b'"
    for text in ("SELECT{}1", "-- it's {}\nSELECT 1", "SELECT 1 /* {} */", 'SELECT "a{}b"', "SELECT '\\' {} '"):
        assert _refused(text.replace("{}", character)), ascii(text)


def test_the_message_says_what_where_and_what_to_write() -> None:
    message = _refused("SELECT *\nFROM notes -- only what is public\u2028WHERE public = 1")
    assert message is not None
    assert message.startswith("line 2, column 34 of the statement holds U+2028 LINE SEPARATOR: ")
    assert message.endswith("write a line feed")
    assert "U+000D CARRIAGE RETURN" in (_refused("SELECT 1\rFROM x") or "")
    assert "(2 more like it follow)" in (_refused("SELECT\xa01,\xa02,\xa03") or "")


def test_lines_end_in_line_feeds() -> None:
    assert legible("SELECT 1\r\nFROM t\r\n") == "SELECT 1\nFROM t\n"


@pytest.mark.parametrize("text", ["SELECT 'é 日本 العربية 👍' AS größe", "\tSELECT 1\n", "SELECT 'e\u0301'"])
def test_what_everybody_reads_alike(text: str) -> None:
    assert legible(text) == text


@given(
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("'\"-\n\\$" + LINE_ENDS + SPACES), max_size=20)
)
def test_outside_of_literals_nothing_that_cannot_be_seen_is_left(text: str) -> None:
    """A lexer of one dialect at least would read it; what is left unseen stands between quotes."""
    if _refused(text) is None:
        left = legible(text)
        unseen = [
            c for c in left if c not in "\n\t" and (unicodedata.category(c)[0] == "C" or (c.isspace() and c != " "))
        ]
        assert not set(unseen) & set(LINE_ENDS + DIRECTIONS)
        assert not unseen or "'" in text


@pytest.mark.parametrize("character", LINE_ENDS + DIRECTIONS + SPACES + NOTHINGS)
def test_a_body_that_holds_one_is_no_template(character: str) -> None:
    """Every way in ends here: files with escapes, overlays, variables, live rows, and the ``after`` of a saved plan."""
    body = {"type": "sql", "datasource": "notes", "sql": f"SELECT text FROM notes -- public{character}WHERE public = 1"}
    (problem,) = accept(KINDS["template"], body, Address("acme", "template", "t"))
    assert (problem.code, problem.path) == ("deceptive-character", ("sql",))

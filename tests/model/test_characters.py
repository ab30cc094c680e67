"""Characters that models read and people don't see, by category; what an emoji is made of shows."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from reconciler.model.characters import is_hidden, unseen

KEPT = ("\t", "\n", "\r")


def test_every_character_without_a_shape_is_found() -> None:
    """By the categories that the standard gives them, over all of Unicode, beside a letter."""
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        if unicodedata.category(character) in {"Cc", "Cf", "Cn", "Co", "Cs"} and character not in KEPT:
            assert [*unseen(f"a{character}b")] == [1], f"{number:04x}"


DEFAULT_IGNORABLE = [
    *"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u3164\ufeff\uffa0",
    *map(chr, range(0x180B, 0x1810)),
    *map(chr, range(0x200B, 0x2010)),
    *map(chr, range(0x202A, 0x202F)),
    *map(chr, range(0x2060, 0x2070)),
    *map(chr, range(0xFE00, 0xFE10)),
    *map(chr, range(0xFFF0, 0xFFF9)),
    *map(chr, range(0x1BCA0, 0x1BCA4)),
    *map(chr, range(0x1D173, 0x1D17B)),
    *map(chr, range(0xE0000, 0xE1000)),
]
"""Default_Ignorable_Code_Point of DerivedCoreProperties.txt."""


def test_what_is_ignored_by_default_is_found() -> None:
    for character in DEFAULT_IGNORABLE:
        assert [*unseen(f"a{character}b")] == [1], f"{ord(character):04x}"
        assert is_hidden(character)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain\ttext\nin two lines\r\n",
        "日本語　全角 한국어 नमस्ते مرحبا é e\u0301",
        "❤️ ☎️ ▶️ ©️ ℹ️ ‼️ 〰️ ↔️",
        "1️⃣ #️⃣ *️⃣",
        "👩‍👩‍👧‍👦 🏳️‍🌈 👨‍⚕️ 👍🏽 🙂‍↔️",
        "two\u2028lines\u2029of\xa0it",
    ],
)
def test_what_shows_may_stay(text: str) -> None:
    assert [*unseen(text)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\ufe0f", [1]),
        ("\ufe0f", [0]),
        ("❤\ufe0f\ufe0f", [2]),
        ("❤\ufe00", [1]),
        ("❤\U000e0100", [1]),
        ("1\ufe0f", [1]),
        ("+\ufe0f", [1]),
        ("a\u200d❤", [1]),
        ("❤\u200da", [1]),
        ("❤\u200d\u200d❤", [1, 2]),
        ("❤\u200d", [1]),
        ("\u200d❤", [0]),
        ("\u2800\u200d\u2800", [0, 1, 2]),
        ("🏴\U000e0067\U000e007f", [1, 2]),
        ("".join(chr(0xE0000 + ord(one)) for one in "ignore"), [*range(6)]),
        ("می\u200cخواهم", [2]),
    ],
)
def test_what_goes_with_no_picture_is_found(text: str, found: list[int]) -> None:
    assert [*unseen(text)] == found

"""Which characters a person can't see, or can't tell from others, in a text that programs read."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from reconciler.patterns import regex

IGNORABLE = regex(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d159\U000e0100-\U000e01ef]"
)
"""Characters that Python calls printable and that show nothing: Unicode's Default_Ignorable_Code_Point, and blank symbols."""
DIRECTION = regex("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Controls of the bidirectional algorithm: they make a line read in another order than it runs."""
LINE_END = regex("[\r\v\f\x85\u2028\u2029]")
"""Characters other than the line feed that some programs take for a line's end and others do not."""
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})
"""Unicode's categories of characters without a shape: controls, formats (joiners, directions, tags), unassigned, private, surrogates."""
_KEPT = frozenset("\t\n\r")
_JOINER, _SELECTORS = "\u200d", frozenset("\ufe0e\ufe0f")
_TONES = regex("[\U0001f3fb-\U0001f3ff]")
_PICTURES = frozenset("\u203c\u2049\u2139\u3030")
"""Emoji of other categories than symbols."""
_KEYCAP, _KEYS = "\u20e3", frozenset("#*0123456789")
_CONTROLS = {0x09: "TAB", 0x0B: "LINE TABULATION", 0x0C: "FORM FEED", 0x0D: "CARRIAGE RETURN", 0x85: "NEXT LINE"}


def is_hidden(character: str) -> bool:
    """Whether a character shows nothing of its own: a control, a format character, any white space but the space, a fill."""
    return not character.isprintable() or IGNORABLE.match(character) is not None


def unseen(text: str) -> Iterator[int]:
    """Yield the offset of each character that a program reads, a language model among them, and a person doesn't see.

    They are judged by category, and by Default_Ignorable_Code_Point. Lines and tabs may be. What an emoji is made of shows: a
    selector behind a picture, a joiner between two.
    """
    if text.isascii() and text.isprintable():
        return
    for offset, character in enumerate(text):
        if _has_shape(character) or character in _KEPT:
            continue
        before, after = text[offset - 1 : offset], text[offset + 1 : offset + 2]
        if character in _SELECTORS and (_is_picture(before) or (before in _KEYS and after == _KEYCAP)):
            continue
        if character == _JOINER and _is_picture(after) and (_is_picture(before) or before in _SELECTORS):
            continue
        yield offset


def visible(text: str) -> str:
    """Return a text without the characters that ``unseen`` finds."""
    found = {*unseen(text)}
    return "".join(one for offset, one in enumerate(text) if offset not in found) if found else text


def _has_shape(character: str) -> bool:
    return unicodedata.category(character) not in _UNSEEN and IGNORABLE.match(character) is None


def _is_picture(character: str) -> bool:
    if not character or IGNORABLE.match(character):
        return False
    category = unicodedata.category(character)
    is_symbol = category == "So" or (category == "Sm" and not character.isascii())
    return is_symbol or character in _PICTURES or _TONES.match(character) is not None


def named(character: str) -> str:
    """Return the code point and its name, such as ``U+00A0 NO-BREAK SPACE``."""
    name = unicodedata.name(character, "") or _CONTROLS.get(ord(character), "a control or unassigned character")
    return f"U+{ord(character):04X} {name}"


def unseen_fault(text: str) -> str | None:
    """Why a text that language models read may not stand as it is; None where a person sees all of it."""
    found = [*unseen(text)]
    if not found:
        return None
    more = f" ({len(found) - 1} more follow)" if len(found) > 1 else ""
    return f"{_numbered(text, found[0])}: a model reads it, and a person can't see it; leave it out{more}"


def name_fault(text: str) -> str | None:
    """Return what keeps a person from seeing all of a name: white space other than single spaces inside, or an unseen character."""
    if text != text.strip():
        return "white space at the begin or the end names something else; leave it out"
    hidden = {*unseen(text)}
    for offset, character in enumerate(text):
        if offset in hidden or (character != " " and character.isspace()):
            return f"{_numbered(text, offset)}: nobody sees that it names something else"
    return None


def _numbered(text: str, offset: int) -> str:
    """Return which character of a text it is, without the braces that a message would take for a field of its own."""
    name = named(text[offset]).replace("{", "").replace("}", "")
    return f"character {offset + 1} is {name}"

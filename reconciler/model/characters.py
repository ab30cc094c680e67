"""Which characters a person can't see, or can't tell from others, in a text that programs read."""

from __future__ import annotations

import re
import unicodedata

IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d159\U000e0100-\U000e01ef]"
)
"""Characters that Python calls printable and that show nothing: Unicode's Default_Ignorable_Code_Point, and blank symbols."""
DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Controls of the bidirectional algorithm: they make a line read in another order than it runs."""
LINE_END = re.compile("[\r\v\f\x85\u2028\u2029]")
"""Characters other than the line feed that some programs take for a line's end and others do not."""
_CONTROLS = {0x09: "TAB", 0x0B: "LINE TABULATION", 0x0C: "FORM FEED", 0x0D: "CARRIAGE RETURN", 0x85: "NEXT LINE"}


def is_hidden(character: str) -> bool:
    """Whether a character shows nothing of its own: a control, a format character, any white space but the space, a fill."""
    return not character.isprintable() or IGNORABLE.match(character) is not None


def named(character: str) -> str:
    """Return the code point and its name, such as ``U+00A0 NO-BREAK SPACE``."""
    name = unicodedata.name(character, "") or _CONTROLS.get(ord(character), "a control or unassigned character")
    return f"U+{ord(character):04X} {name}"

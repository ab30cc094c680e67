"""Refuses characters of a statement that a person and a lexer of SQL read differently."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.codes import Code
from reconciler.kinds.template.placeholders import DIALECTS, placeholders
from reconciler.kinds.template.statement import position
from reconciler.model.characters import DIRECTION, LINE_END, is_hidden, named
from reconciler.model.fields import fail

_LINE_FEED = (
    "some programs end a line there and others don't, so a comment may end elsewhere than it seems; write a line feed"
)
_DIRECTION = "it makes the statement read in another order than it runs; leave it out, or pass it in a parameter"
_CONTROL = "nobody can see it; leave it out, or pass it in a parameter"
_SPACE = "only some dialects read it as a space; write a space, or put it into a quoted string"
_NOTHING = "nobody can see it; leave it out, or put it into a quoted string"


def legible(text: str) -> str:
    """Return a statement whose lines end in line feeds.

    Raises PydanticCustomError, with place and remedy, for a character that can't be seen. Inside of string literals
    only those are refused that would deceive there too: ends of lines, controls, and controls of direction.
    """
    text = text.replace("\r\n", "\n")
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    found = [*_deceptive(text)]
    if found:
        offset, why = found[0]
        more = f" ({len(found) - 1} more like it follow)" if len(found) > 1 else ""
        name = named(text[offset]).replace("{", "").replace("}", "")
        code: Code = "control-character" if why is _CONTROL else "deceptive-character"
        raise fail(code, f"{position(text, offset)} of the statement holds {name}: {why}{more}")
    return text


def _deceptive(text: str) -> Iterator[tuple[int, str]]:
    hidden = [offset for offset, character in enumerate(text) if character not in "\n\t" and is_hidden(character)]
    quoted = _quoted_everywhere(text) if hidden else set()
    for offset in hidden:
        character = text[offset]
        if LINE_END.match(character):
            yield offset, _LINE_FEED
        elif DIRECTION.match(character):
            yield offset, _DIRECTION
        elif character < "\xa0" or "\ud800" <= character <= "\udfff":
            yield offset, _CONTROL
        elif offset not in quoted:
            yield offset, _SPACE if character.isspace() else _NOTHING


def _quoted_everywhere(text: str) -> set[int]:
    """Return the offsets that every dialect reads as part of a string literal: which dialect it is isn't known here."""
    return set.intersection(
        *(
            {offset for start, end in placeholders(text, dialect).literals for offset in range(start, end)}
            for dialect in DIALECTS
        )
    )

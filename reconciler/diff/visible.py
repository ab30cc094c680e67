"""Text turned into text that hides nothing: whoever reads two different texts in it sees that they differ.

A character that can't be seen stands as its number, ``\\u200b`` or ``\\U000e0041``, and so does a backslash that would
read like one. Each text has one such form, and no two texts share theirs.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import orjson

from reconciler.diff.items import ItemChange, item_changes, moved, text_of
from reconciler.diff.lines import line_changes, lines_of
from reconciler.errors import Path
from reconciler.model.characters import is_hidden
from reconciler.patterns import regex

TAB, BLANK, GOES_ON = "\u21e5", "\u00b7", "\u21aa"
"""Marks in lines of a longer text: a tab, a space at a line's end, and (in a terminal) that a line goes on here."""
_LIKE_A_NUMBER = regex(r"\\(?=u[0-9a-f]{4}|U[0-9a-f]{8})")
_LINE_END = regex(f"[ {BLANK}]+$")
_PLAIN_KEY = regex(r"[A-Za-z0-9_$/@:+-]+")
_BEYOND = regex("[^\x00-\x7e]")
_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True)
_INDENTED = json.JSONEncoder(ensure_ascii=False, sort_keys=True, indent=2)
_TWINS = str.maketrans(
    "АВЕКМНОРСТУХЅІЈԚԜаеорсухѕіјԛԝһΑΒΕΖΗΙΚΜΝΟΡΤΥΧονρυɡıǃ",
    "ABEKMHOPCTYXSIJQWaeopcyxsijqwhABEZHIKMNOPTYXovpugi!",
)
_PLAIN, _MARK, _HIDDEN = range(3)
_SIGNS = (("-", "remove"), ("+", "add"))


def visible(text: str) -> str:
    """Return ``text`` on one line, with every character that can't be seen as its number."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return _numbered(_LIKE_A_NUMBER.sub(r"\\u005c", text))


def visible_line(line: str) -> str:
    """Return one line of a longer text the same way, with marks for tabs and for spaces at its end."""
    if not line or (line.isascii() and line.isprintable() and "\\" not in line and line[-1] != " "):
        return line
    end = _LINE_END.search(line)
    body = line[: end.start()] if end else line
    shown = TAB.join(map(visible, body.split("\t")))
    return shown + (end[0].replace(BLANK, _number(BLANK)).replace(" ", BLANK) if end else "")


def visible_value(value: Any) -> str:
    """Return a JSON value on one line, as configuration would write it."""
    if type(value) is int:
        return str(value)
    if type(value) is bool or (not value and type(value) in {list, dict}):
        return orjson.dumps(value).decode()  # Python's encoder costs more than what it writes
    if type(value) is list and {*map(type, value)} == {str}:  # an encoder of lists costs more than what it writes
        return _numbered(f"[{', '.join(map(_JSON.encode, value))}]")
    return _numbered(_JSON.encode(value))


def visible_indented(value: Any) -> list[str]:
    """Return a JSON value on several lines, a key or an item on each."""
    return [*map(_numbered, lines_of(_INDENTED.encode(value)))]


def visible_json(text: str) -> str:
    """Return a JSON text with every character that can't be seen as JSON's own escape: it means the same to every reader."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _BEYOND.sub(lambda found: _escape(found[0]), text)


@lru_cache(maxsize=4096)
def _escape(character: str) -> str:
    if not is_hidden(character):
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def visible_path(path: Path) -> str:
    """Return a field's path as people write it: ``auth.headers[0]``, ``labels["a.b"]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{visible_value(part)}]"
    return text


def visible_lines(text: str) -> Iterator[str]:
    """Return the lines of a text, as they are shown."""
    return map(visible_line, lines_of(text))


def visible_changes(before: str, after: str) -> Iterator[tuple[str, str]]:
    """Return ``line_changes`` as they are shown; lines that look alike and differ are written out."""
    return _in_blocks([(sign, visible_line(line)) for sign, line in line_changes(before, after)])


def visible_value_changes(before: Any, after: Any) -> Iterator[tuple[str, str]]:
    """Return the same of two JSON values, a key or an item on each line."""
    texts = (_INDENTED.encode(value) for value in (before, after))
    return _in_blocks([(sign, _numbered(line)) for sign, line in line_changes(*texts)])


def _in_blocks(changes: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    start = 0
    while start < len(changes):
        end = start + 1
        if changes[start][0] == " ":
            yield changes[start]
        else:
            while end < len(changes) and changes[end][0] != " ":
                end += 1
            yield from _block(changes[start:end])
        start = end


def _block(changes: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    went, came = ([line for sign, line in changes if sign == wanted] for wanted in "-+")
    went, came = told_apart(went, came)
    yield from (("-", line) for line in went)
    yield from (("+", line) for line in came)


def visible_pair(before: Any, after: Any) -> tuple[str, str]:
    """Return two JSON values as they are shown beside each other; where they would look alike, they are written out."""
    left, right = told_apart([visible_value(before)], [visible_value(after)])
    return left[0], right[0]


def visible_items(before: list[Any], after: list[Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (``-`` or ``+``, item as it is shown, note) in the list's order, and ("", "2 items", "") for those that stay.

    The note of an item that the list still has elsewhere is ``moved``.
    """
    changes = [*item_changes(before, after)]
    left = {sign: moved(changes) for sign in "-+"}
    raw = {sign: iter([item for op, items in changes if op == name for item in items]) for sign, name in _SIGNS}
    for sign, shown in _visible_items(changes):
        note = ""
        if sign and left[sign][text := text_of(next(raw[sign]))]:
            left[sign][text] -= 1
            note = "moved"
        yield sign, shown, note


def _visible_items(changes: Iterable[ItemChange]) -> Iterator[tuple[str, str]]:
    runs = [(op, [*map(visible_value, items)]) for op, items in changes]
    for number, (op, items) in enumerate(runs):
        if op == "keep":
            yield "", f"{len(items)} item{'s'[: len(items) > 1]}"
        elif op == "remove":
            facing = runs[number + 1][1] if runs[number + 1 : number + 2] and runs[number + 1][0] == "add" else []
            left, right = told_apart(items, facing)
            yield from (("-", item) for item in left)
            yield from (("+", item) for item in right)
        elif number == 0 or runs[number - 1][0] != "remove":
            yield from (("+", item) for item in items)


def told_apart(left: Sequence[str], right: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return shown lines of two sides; what differs and looks like a line of the other side is written in ASCII.

    Compatibility forms (a ligature, a full-width letter) and letters of another script with the same shape look alike.
    """
    if all(map(str.isascii, left)) and all(map(str.isascii, right)):
        return [*left], [*right]
    lefts, rights = {*map(_look, left)}, {*map(_look, right)}
    same = {*left} & {*right}
    return (
        [_in_ascii(line) if line not in same and _look(line) in rights else line for line in left],
        [_in_ascii(line) if line not in same and _look(line) in lefts else line for line in right],
    )


def _look(shown: str) -> str:
    """Equal for texts that a reader can't tell apart."""
    return shown if shown.isascii() else unicodedata.normalize("NFKC", shown).translate(_TWINS)


def _in_ascii(shown: str) -> str:
    return "".join(c if c.isascii() or c in (TAB, BLANK) else _number(c) for c in shown)


def _numbered(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    is_normal = unicodedata.is_normalized("NFC", text)
    if is_normal and not any(map(_sort, set(text))):
        return text
    shown, carries = [], False
    for character in text:
        sort = _sort(character)
        if sort == _HIDDEN or (sort == _MARK and not (carries and is_normal)) or not (is_normal or _stays(character)):
            shown.append(_number(character))
            carries = False
        else:
            shown.append(character)
            # a mark that stands on nothing would go on top of the quote before it
            carries = sort == _MARK or character.isalnum()
    return "".join(shown)


@lru_cache(maxsize=4096)
def _sort(character: str) -> int:
    if is_hidden(character) or character in (TAB, GOES_ON):
        return _HIDDEN
    return _MARK if unicodedata.category(character)[0] == "M" else _PLAIN


@lru_cache(maxsize=4096)
def _stays(character: str) -> bool:
    """Whether normalisation leaves a character as it is, whatever stands before it."""
    return unicodedata.normalize("NFC", character) == character and not "\u1160" <= character <= "\u11ff"


def _number(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"

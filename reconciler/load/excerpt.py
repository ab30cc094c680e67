"""Turns one source line into what may be shown of it: keys yes, values only where they hold no secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from reconciler.errors import Path
from reconciler.model.secret_text import MASK, secrets_in
from reconciler.patterns import regex

WIDEST = 200
ELLIPSIS = "…"
KEY = regex(r"((?: |- )*)(?:([A-Za-z_][A-Za-z0-9_.-]{0,62}):(?= |$))?")
BLOCK_HEADER = regex(r"(?:[&!]\S*\s+)*[|>][-+0-9]*(?=\s|$)")


def excerpt(source_line: str, scalars: Iterable[tuple[Path, bool, int, int]], is_public: Callable[[Path], bool]) -> str:
    """Return the line with every value masked that is not known to be public.

    What stands before the first mask keeps its column. ``scalars`` are what ``Positions.scalars_on`` returns; without any,
    nothing is known of the line. Keys and values that look like secrets are never shown.
    """
    line = _prepare(source_line)
    ordered = sorted(scalars, key=lambda scalar: scalar[2])
    if not ordered:
        return masked_line(line)
    shown: list[str] = []
    at = 0
    for path, is_key, start, end in ordered:
        whole = end
        start, end = max(start, at), min(end, len(line))
        gap, commented = _between(line[at:start])
        shown.append(gap)
        if commented:
            return _cut("".join(shown))
        text = line[start:end]
        indent = text[: len(text) - len(text.lstrip())]  # of a line in the middle of a longer text
        if secrets_in(source_line[start:whole]) or not (is_key or is_public(path)):
            shown.append(indent + MASK if text.strip() else text)
        elif start > 0 and end == len(line) and (header := BLOCK_HEADER.match(text)):
            shown.append(header[0])  # what follows can only be a comment
        else:
            shown.append(text)
        at = max(at, end)
    shown.append(_between(line[at:])[0])
    return _cut("".join(shown))


def masked_line(source_line: str) -> str:
    """Return the line without anything but its indentation and a key: for lines whose meaning is not known."""
    line = _prepare(source_line)
    found = KEY.match(line)
    kept = found[0] if found and not secrets_in(found[2] or "") else KEY.sub(r"\1", found[0]) if found else ""
    rest = line[len(kept) :].strip()
    if not rest or (found and found[2] and rest.startswith("#")):
        return _cut(kept.rstrip())
    return _cut(f"{kept} {MASK}" if found and found[2] else kept + MASK)


def printable(text: str) -> str:
    """One column for each character, and nothing that controls a terminal or the direction of text."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if c == "\t" else c if c.isprintable() else "?" for c in text)


def _between(text: str) -> tuple[str, bool]:
    """Return what may be shown of the text between two scalars, and whether a comment starts in it.

    Punctuation is shown. Anything else is not: an unquoted password may look like a tag, an anchor or an alias.
    """
    text, comment, _ = text.partition("#")
    parts = re.split(r"(\s+)", text)
    shown = "".join(part if not part or part.isspace() else _punctuation(part) for part in parts)
    return re.sub(r"\*\*\*(?:\s+\*\*\*)+", MASK, shown), bool(comment)


def _punctuation(word: str) -> str:
    rest = word.lstrip("-,:?[]{}")
    if not rest:
        return word
    body = rest.rstrip(",:]}")
    return word[: len(word) - len(rest)] + MASK + rest[len(body) :]


def _prepare(line: str) -> str:
    """Return the part of the line that is looked at: cut before it is masked, so that columns stay what they are."""
    line = line.rstrip("\r\n")
    return printable(line) if len(line) <= WIDEST else printable(line[: WIDEST - 1]) + ELLIPSIS


def _cut(line: str) -> str:
    line = line.rstrip()
    return line if len(line) <= WIDEST else line[: WIDEST - 1] + ELLIPSIS

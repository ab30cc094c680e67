"""Two texts, turned into the lines that both have, that went and that came."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher


def lines_of(text: str) -> list[str]:
    """Split where programs that read the text do: at line feeds only. A text that ends with one has an empty last line."""
    return text.split("\n")


def line_changes(before: str, after: str) -> Iterator[tuple[str, str]]:
    """(sign, line) with the signs of a diff: blank, ``-`` and ``+``.

    Lines are compared as wholes. What ``difflib.ndiff`` does inside of them takes minutes on long lines that are
    nearly alike, and whoever writes a statement chooses its lines.
    """
    old, new = lines_of(before), lines_of(after)
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new).get_opcodes():
        if tag == "equal":
            yield from ((" ", line) for line in old[i1:i2])
            continue
        yield from (("-", line) for line in old[i1:i2])
        yield from (("+", line) for line in new[j1:j2])

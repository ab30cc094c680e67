"""What stands between two tokens, white space and comments, turned into the comments and blank lines in it."""

from __future__ import annotations

import re
from typing import NamedTuple

MARK = re.compile("^\ufeff", re.MULTILINE)


class Odd(Exception):
    """Something stands between two tokens that is neither white space nor a comment."""


class Comment(NamedTuple):
    """A comment on a line of its own."""

    text: str
    column: int
    blank: bool  # whether blank lines stand before it


class Gap(NamedTuple):
    """``trailing`` is the comment that ends the line of the token before."""

    trailing: str | None
    comments: tuple[Comment, ...]
    is_break: bool  # whether the token after it begins a line
    blank: bool  # whether blank lines stand before that token


def gap_of(text: str, fresh: bool, blank: bool) -> Gap:
    """``fresh``: it begins a line. ``blank``: the token before it, a block of text, ended in blank lines."""
    if "\ufeff" in text:  # a byte order mark may start any line: of files that somebody put together
        text = MARK.sub("", text)
    if "#" not in text:
        breaks = text.count("\n") + fresh
        if text.strip(" \t\n"):
            raise Odd
        return Gap(None, (), breaks > 0, blank or breaks > 1)
    lines = text.split("\n")
    trailing = None if fresh else lines.pop(0).strip(" \t") or None
    if trailing is not None and trailing[0] != "#":
        raise Odd
    comments = []
    for number, line in enumerate(lines, 1):
        own = line.strip(" \t")
        if own[:1] == "#":
            comments.append(Comment(comment(own), len(line) - len(line.lstrip(" \t")), blank))
            blank = False
        elif own:
            raise Odd
        elif number < len(lines):  # the last one is the indentation of the token
            blank = True
    return Gap(trailing and comment(trailing), tuple(comments), True, blank)


def comment(text: str) -> str:
    """Return a comment with a space behind its sign; `#!` and `##` are signs of their own."""
    text = text.rstrip(" \t")
    return text if text[1:2] in ("", " ", "\t", "!", "#") else f"# {text[1:]}"


def essence(text: str) -> str:
    """Return what two comments have in common if they say the same."""
    return text[1:].strip(" \t")

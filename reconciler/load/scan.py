"""Find secrets in a file of any sort: line by line, and in YAML also as a reader of it sees keys, values and comments."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import NamedTuple

from reconciler.errors import Place, Problem, Problems
from reconciler.load.comments import comment_column
from reconciler.load.discover import SUFFIXES
from reconciler.load.secret_values import CODE, HINT, secret_problems
from reconciler.load.source import Source, parse_source, shown_name
from reconciler.model.secret_text import Sighting, secrets_in

MAX_BYTES = 16 * 1024 * 1024
MAX_YAML = 1024 * 1024
"""Larger files of YAML are looked at line by line only."""
PIECE, OVERLAP = 64 * 1024, 1024
"""Longer lines are looked at in pieces, which overlap by more than a key is long."""
_ALLOWED = re.compile(r"reconciler:\s*not-a-secret\b")
_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]+-----")


class Scanned(NamedTuple):
    """The secrets of one file; ``skipped`` says why it was not looked at, ``problem`` why it could not be read."""

    found: list[Problem]
    skipped: str = ""
    problem: Problem | None = None


def scan_file(path: FilePath) -> Scanned:
    """Look through one regular file; never raises for what it holds."""
    name = shown_name(path)
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # a pipe may wait for ever, a device may never end
            return Scanned([], "not a regular file")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return Scanned([], "", Problem("file-unreadable", f"can't read {name}: {error.strerror}", place=Place(name)))
    return scan_text(name, data)


def scan_text(name: str, data: bytes) -> Scanned:
    """Look through the bytes of a file."""
    if len(data) > MAX_BYTES:
        return Scanned([], f"larger than {MAX_BYTES // 2**20} MiB")
    text = _decoded(data)
    if text is None:
        return Scanned([], "binary")
    found = [*_by_line(name, text)]
    if name.lower().endswith(SUFFIXES) and len(data) <= MAX_YAML:
        found = _by_value(name, data, found)
    return Scanned(found)


def _decoded(data: bytes) -> str | None:
    """Return the text of a file; None for one that is binary."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    return None if b"\0" in data[:8192] else data.decode(errors="replace").removeprefix("\ufeff")


def _by_line(name: str, text: str) -> Iterator[Problem]:
    """Yield what each line holds; of a key or a certificate of several lines the first line stands for all."""
    before, in_block = "", False
    for number, line in enumerate(text.split("\n"), 1):
        is_allowed = _ALLOWED.search(line) is not None or (_ALLOWED.search(before) is not None and _is_comment(before))
        if not in_block and not is_allowed:
            for one in _in_pieces(line):
                yield _problem(name, number, one.start + 1, one.what)
        opened = [*_BLOCK.finditer(line)]
        if opened:
            in_block = "-----END " not in line[opened[-1].end() :]
        elif "-----END " in line:
            in_block = False
        before = line


def _is_comment(line: str) -> bool:
    return line.lstrip()[:2].strip()[:1] in {"#", "/", "-", ";", "<", "%"}


def _in_pieces(line: str) -> Iterator[Sighting]:
    at, end = 0, 0
    while at < max(1, len(line)):
        for one in secrets_in(line[at : at + PIECE]):
            if at + one.start >= end:
                end = at + one.end
                yield Sighting(at + one.start, end, one.what)
        at += PIECE - OVERLAP


def _by_value(name: str, data: bytes, by_line: list[Problem]) -> list[Problem]:
    """Return what YAML says, escapes, lists of arguments and `{plain: …}` included; its lines count for comments."""
    problems = Problems()
    source = parse_source(name, data, problems)
    if problems.found:
        return by_line
    values = [one for document in source.documents for one in secret_problems(source, document)]
    comments = [one for one in by_line if _in_comment(source, one)]
    return sorted(
        [*values, *comments], key=lambda one: (one.place.line or 0, one.place.column or 0) if one.place else (0, 0)
    )


def _in_comment(source: Source, problem: Problem) -> bool:
    number, column = (problem.place.line or 1, problem.place.column or 1) if problem.place else (1, 1)
    if number > len(source.lines):
        return True
    line = source.lines[number - 1]
    found = [comment_column(line, number, source.positions(index)) for index in range(len(source.documents))]
    return bool(found) and all(start is not None and column > start for start in found)


def _problem(name: str, line: int, column: int, what: str) -> Problem:
    return Problem(CODE, f"this looks like a secret: {what}", place=Place(name, line, column), hint=HINT)

"""One YAML file: its documents, and the places and masked excerpts of whatever is wrong in it."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path as FilePath

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.errors import Path, Place, Problem, Problems
from reconciler.load import documents
from reconciler.load.documents import Document, read_documents
from reconciler.load.excerpt import WIDEST, excerpt, masked_line
from reconciler.load.positions import Positions, read_all_positions, read_positions
from reconciler.model.secret_text import MASK, is_opaque, secrets_in

Shown = Callable[[Path], bool]
STDIN_NAME = "<stdin>"
MASKED_CODES = frozenset({"unknown-field", "plaintext-secret", "secret-in-value", "duplicate-key"})
"""On a line with one of these, somebody may have put a secret where the schema expects none."""

_IN_STATEMENT = re.compile(r"line (\d+), column (\d+) of the statement")
_BLOCK = re.compile(r"\|[0-9+-]*\s*(?:#.*)?")
_MALFORMED = ("invalid-", "wrong-type", "unknown-type", "too-long", "not-a-number")
"""Beginnings of codes of a value that is none of those that its field takes: it may be a secret that belongs elsewhere."""


class Source(Struct, dict=True):
    """``name`` is what people read: relative to the working directory where it can be. ``path`` is the file's own."""

    name: str
    data: bytes
    documents: list[Document] = field(default_factory=list)
    path: str = ""
    masked: set[int] = field(default_factory=set)  # lines of which no value is shown
    broken: set[int] = field(default_factory=set)  # lines that are no good YAML: what is a key there is not known
    _positions: dict[int, Positions] = field(default_factory=dict)
    _document_on: dict[int, int] = field(default_factory=dict)  # of the lines that something was located on

    def positions(self, index: int) -> Positions:
        """Composed at the first problem only: most files have none. At the second, for all documents at once."""
        if index not in self._positions:
            if self._positions:
                self._positions = dict(enumerate(read_all_positions(self.data)))
            else:
                self._positions[index] = read_positions(self.data, index)
        return self._positions.setdefault(index, Positions())

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing: no document, or comments only."""
        return all(document.value is None for document in self.documents)

    def place(self, index: int, path: Path, on_key: bool = False) -> Place:
        spot = self.positions(index).nearest(path, on_key)
        return Place(self.name, spot.line, spot.column)

    def locate(self, problem: Problem, index: int, path: Path, shown: Shown) -> Problem:
        """Return the problem with its place, its line as it may be shown, and the caret's width."""
        spot = self.positions(index).nearest(path, problem.on_key)
        if problem.code in MASKED_CODES:
            self.masked.add(spot.line)
        self._document_on[spot.line] = index
        problem = replace(problem, place=Place(self.name, spot.line, spot.column), width=spot.width)
        line = self.lines[spot.line - 1] if spot.line <= len(self.lines) else ""
        if inside := self._inside_of_block(problem, spot.line, line[spot.column - 1 :], shown(path)):
            return inside
        value = line[spot.column - 1 : spot.column - 1 + spot.width].strip("\"'")
        if not problem.on_key and problem.code.startswith(_MALFORMED) and is_opaque(value):
            return self._excerpted(problem, spot.line, spot.column, lambda one: one != path and shown(one))
        return self._excerpted(problem, spot.line, spot.column, shown)

    def _inside_of_block(self, problem: Problem, number: int, value: str, is_shown: bool) -> Problem | None:
        """Return a problem with a place in a statement, that is written as `|`, at the statement's own line."""
        at = _IN_STATEMENT.search(problem.message)
        if at is None or not _BLOCK.fullmatch(value):
            return None
        first = next((line for line in self.lines[number:] if line.strip()), "")
        indent, number = len(first) - len(first.lstrip(" ")), number + int(at[1])
        line = self.lines[number - 1] if number <= len(self.lines) else ""
        column = indent + int(at[2])
        problem = replace(problem, place=Place(self.name, number, column), width=1)
        if not is_shown or is_opaque(line.strip()) or secrets_in(line):
            return replace(problem, excerpt=f"{' ' * indent}{MASK}", caret=indent, width=len(MASK))
        return replace(problem, excerpt=line, caret=min(column - 1, len(line)))

    def masking(self, problem: Problem) -> Problem:
        """Return the same problem, without any value if another one on its line masks it."""
        line, column = (problem.place.line, problem.place.column) if problem.place else (None, None)
        if line not in self.masked or line not in self._document_on or column is None:
            return problem
        return self._excerpted(problem, line, column, lambda _path: False)

    def _excerpted(self, problem: Problem, number: int, column: int, shown: Shown) -> Problem:
        line = self.lines[number - 1] if number <= len(self.lines) else ""
        if number in self.broken:
            return _masked(problem, line, column)
        visible = (lambda _path: False) if number in self.masked else shown
        scalars = self.positions(self._document_on[number]).scalars_on(number, WIDEST)
        text = excerpt(line, scalars, visible)
        # what stands behind the end of the excerpt is marked at its end
        caret = _caret(line, scalars, visible, column - 1) if column <= WIDEST else max(0, len(text) - 1)
        # a masked value's mark must not tell how long the value is
        width = len(MASK) if text[caret : caret + len(MASK)] == MASK else problem.width
        return replace(problem, excerpt=text, caret=caret, width=width)

    def locate_line(self, problem: Problem) -> Problem:
        """For a problem of syntax, which has a place but no tree: every value on its line is masked."""
        place = problem.place
        if place is None or place.line is None or place.line > len(self.lines):
            return problem
        self.masked.add(place.line)
        self.broken.add(place.line)
        return _masked(problem, self.lines[place.line - 1], place.column or 1)

    @cached_property
    def lines(self) -> list[str]:
        return self.data.decode("utf-8", errors="replace").removeprefix("\ufeff").splitlines()


def _masked(problem: Problem, line: str, column: int) -> Problem:
    """With a line of which nothing but its first key is shown; what stood behind that is marked at the mask."""
    text = masked_line(line)
    mask = len(text) - len(MASK)
    if text.endswith(MASK) and column - 1 > mask:
        return replace(problem, excerpt=text, caret=mask, width=len(MASK))
    return replace(problem, excerpt=text, caret=column - 1)


def _caret(line: str, scalars: list[tuple[Path, bool, int, int]], shown: Shown, column: int) -> int:
    """Where ``column`` of the line stands in its excerpt: masks before it may be shorter than what they hide."""
    before = [(path, is_key, start, min(end, column)) for path, is_key, start, end in scalars if start < column]
    return len(excerpt(line[:column] + "^", [*before, ((), True, column, column + 1)], shown)) - 1


def shown_name(path: FilePath, folder: FilePath | None = None) -> str:
    """Return the name relative to ``folder`` (the working directory) for files below it, else the whole one.

    What can't be printed is escaped: no name can write lines of its own into a report.
    """
    try:
        name = str(path.relative_to(folder or FilePath.cwd()))
    except ValueError:
        name = str(path)
    if name.isprintable():
        return name
    name = os.fsencode(name).decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def read_bytes(path: FilePath, problems: Problems) -> bytes | None:
    """Read one regular file, None where it can't be read; the reason is added to the problems."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # a pipe may wait for ever, a device may never end
            name, hint = shown_name(path), "name a file or a folder, or use `-` to read from a pipe"
            problems.add(Problem("file-unreadable", f"{name} is not a regular file", place=Place(name), hint=hint))
        elif status.st_size > documents.MAX_BYTES:
            problems.add(documents.too_large(shown_name(path)))
        else:
            with open(path, "rb", buffering=0) as file:
                return file.readall()
    except OSError as error:
        name = shown_name(path)
        problems.add(Problem("file-unreadable", f"can't read {name}: {error.strerror}", place=Place(name)))
    return None


def read_source(path: FilePath, problems: Problems) -> Source | None:
    """Read and parse one file, None where it can't be read; problems of syntax are added with their excerpts."""
    data = read_bytes(path, problems)
    return None if data is None else parse_source(shown_name(path), data, problems, str(path))


def stdin_bytes() -> bytes:
    """Read standard input, no further than one byte above the largest file."""
    return sys.stdin.buffer.read(documents.MAX_BYTES + 1) if sys.stdin else b""


def read_stdin(problems: Problems) -> Source:
    """Read and parse standard input."""
    return parse_source(STDIN_NAME, stdin_bytes(), problems)


class Unlocated(Source):
    """A file of which only matters whether anything is wrong: nobody asks where."""

    def locate(self, problem: Problem, index: int, path: Path, shown: Shown) -> Problem:
        """Return the problem as it is."""
        return problem


_read = lru_cache(maxsize=8)(read_documents)
"""A file with a problem is read by the quick way of loading, and then by the thorough one."""


def forget_files() -> None:
    """Drop what was kept of files that might have been read again."""
    _read.cache_clear()


def parse_source(name: str, data: bytes, problems: Problems, path: str = "") -> Source:
    """Parse one file; problems of syntax are added with their excerpts."""
    found, faults = _read(data, name)
    source = Source(name, data, [*found], path or name)
    for problem in faults:
        problems.add(source.locate_line(problem))
    return source

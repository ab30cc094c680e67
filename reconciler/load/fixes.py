"""What replaces the text at a problem's place, where that is safe: the next step of its hint, made by a program."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from reconciler.errors import Place, Problem
from reconciler.files import write_atomically
from reconciler.load.documents import read_documents

_NAME = re.compile(r"did you mean `([A-Za-z0-9_-]+)`\?\Z")
_LINE = re.compile(r"write `[a-z_]+: ([A-Za-z0-9_-]+)`\Z")
_VARIABLE = re.compile(r'write ("\$\{[^"]+\}")\Z')
_VALUE = re.compile(r"(?:.*; )?write (true|false|[0-9]+(?:\.[0-9]+)?)\Z")
_PLAIN = re.compile(r"""[^\s,\[\]{}#&*!|>'"%@`]+""")
_UNQUOTED_VARIABLE = re.compile(r"\$\{[^}\s]*\}")
_CHOICES = frozenset({"invalid-choice", "unknown-type"})


class Fixed(NamedTuple):
    """How many problems were mended in which files."""

    problems: int
    files: tuple[str, ...]


def fix_of(problem: Problem) -> str | None:
    """Return what to write in place of the key or the value at the problem's place; None where a person has to decide."""
    hint = problem.hint or ""
    if problem.code == "unknown-field" and problem.on_key and (found := _NAME.match(hint)):
        return found[1]
    if problem.code in _CHOICES and (found := _NAME.match(hint) or _LINE.match(hint)):
        return found[1]
    if problem.code == "yaml-syntax" and (found := _VARIABLE.match(hint)):
        return found[1]
    if problem.code in {"wrong-type", "underscore-number"} and (found := _VALUE.match(hint)):
        return found[1]
    return None


def fix_files(problems: Iterable[Problem]) -> Fixed:
    """Write what is safe into the files, every other byte as it was. Raises ReconcilerError where one can't be written."""
    wanted: dict[str, dict[Place, tuple[Problem, str]]] = defaultdict(dict)
    for problem in problems:
        text = fix_of(problem)
        if text is not None and problem.place is not None and problem.place.line and problem.place.column:
            wanted[problem.place.file].setdefault(problem.place, (problem, text))
    count, files = 0, list[str]()
    for name, fixes in wanted.items():
        path = Path(name)
        if path.is_symlink() or not path.is_file():
            continue
        before = path.read_bytes().decode()
        after, done = _fixed(before, fixes)
        if done and not _is_worse(before, after, name):
            write_atomically(path, after, mode=path.stat().st_mode & 0o777)
            count, files = count + done, [*files, name]
    return Fixed(count, tuple(files))


def _fixed(text: str, fixes: dict[Place, tuple[Problem, str]]) -> tuple[str, int]:
    lines, done = text.split("\n"), 0
    for place, (problem, new) in sorted(fixes.items(), key=lambda one: (one[0].line, one[0].column), reverse=True):
        assert place.line is not None
        assert place.column is not None
        line, start = lines[place.line - 1], place.column - 1
        old = _old(line, start, problem)
        if old is not None:
            lines[place.line - 1] = line[:start] + new + line[start + len(old) :]
            done += 1
    return "\n".join(lines), done


def _old(line: str, start: int, problem: Problem) -> str | None:
    """Return the key or the plain value that stands there; None for what is written in another way."""
    if problem.code == "unknown-field":
        key = str(problem.path[-1]) if problem.path else ""
        return key if key and line.startswith(key, start) and re.match(r"\s*:", line[start + len(key) :]) else None
    found = (_UNQUOTED_VARIABLE if problem.code == "yaml-syntax" else _PLAIN).match(line, start)
    return found[0] if found else None


def _is_worse(before: str, after: str, name: str) -> bool:
    """Whether a reader of YAML finds more faults in the new text than in the old one."""
    old, new = (len(read_documents(text.encode(), name)[1]) for text in (before, after))
    return new > old

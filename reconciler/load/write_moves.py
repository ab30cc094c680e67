"""``moved`` entries written into manifests, beside what they are about; every other byte stays as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reconciler.errors import ReconcilerError
from reconciler.files import write_atomically
from reconciler.load.documents import read_documents

_END = re.compile(r"(?:---|\.\.\.)(?:\s|\Z)")
_BLOCK = re.compile(r"moved:\s*(?:#.*)?\Z")
_FLOW = re.compile(r"moved:\s*\[(?P<items>.*)\]\s*(?:#.*)?\Z")
_ITEM = re.compile(r"(?P<indent> *)- ")


def write_moves(
    wanted: Mapping[str, Mapping[int, Sequence[str]]], root: Path
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write entries into files, by the line of what each is about; return the names of the files, and entries that no file takes.

    Raises ReconcilerError where a file can't be written.
    """
    files, left = list[str](), list[str]()
    for name, by_line in wanted.items():
        path = root / name
        entries = [entry for found in by_line.values() for entry in found]
        if path.is_symlink() or not path.is_file():
            left += entries
            continue
        before = path.read_bytes().decode()
        after = before
        # from the end, so that the lines above stay where they are
        for line in sorted(by_line, reverse=True):
            after = _with_entries(after, line, by_line[line])
        if not _adds(before, after, len(entries), name):
            left += entries
            continue
        try:
            write_atomically(path, after, mode=path.stat().st_mode & 0o777)
        except OSError as error:
            raise ReconcilerError(f"can't write {name}: {error.strerror}", code="file-not-written") from None
        files.append(name)
    return tuple(files), tuple(left)


def _with_entries(text: str, line: int, entries: Sequence[str]) -> str:
    """Return the text with entries in the document that ``line`` is in, counted from 1."""
    lines = text.split("\n")
    begin = max((n for n in range(line) if _END.match(lines[n])), default=-1) + 1
    end = next((n for n in range(line, len(lines)) if _END.match(lines[n])), len(lines))
    for number in range(begin, end):
        if found := _FLOW.match(lines[number]):
            items = ", ".join([*filter(None, [found["items"].strip()]), *entries])
            lines[number] = lines[number][: found.start("items")] + items + lines[number][found.end("items") :]
            return "\n".join(lines)
        if _BLOCK.match(lines[number]):
            item = next((one for n in range(number + 1, end) if (one := _ITEM.match(lines[n]))), None)
            indent = item["indent"] if item is not None else "  "
            lines[number + 1 : number + 1] = [f"{indent}- {entry}" for entry in entries]
            return "\n".join(lines)
    while end > begin and not lines[end - 1].strip():
        end -= 1
    new = ["moved:", *(f"  - {entry}" for entry in entries)]
    lines[end:end] = [*new, *([""] if end == len(lines) else [])]
    return "\n".join(lines)


def _adds(before: str, after: str, count: int, name: str) -> bool:
    """Whether a reader finds the same documents, with so many entries more, and no problem."""
    old, new = (read_documents(text.encode(), name) for text in (before, after))
    if new[1] or len(old[0]) != len(new[0]):
        return False
    pairs = [(one.value, two.value) for one, two in zip(old[0], new[0], strict=True)]
    if not all(isinstance(one, dict) and isinstance(two, dict) for one, two in pairs if one != two):
        return False
    more = sum(len(_moved(two)) - len(_moved(one)) for one, two in pairs)
    return more == count and all(_rest(one) == _rest(two) for one, two in pairs)


def _moved(document: Any) -> list[Any]:
    found = document.get("moved") if isinstance(document, dict) else None
    return found if isinstance(found, list) else []


def _rest(document: Any) -> Any:
    return {key: one for key, one in document.items() if key != "moved"} if isinstance(document, dict) else document

"""Files as somebody wrote them, and what becomes of them: the style, shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import Problems
from reconciler.layout.format import formatted
from reconciler.load.source import parse_source

PAIRS = Path(__file__).parent / "pairs"
NAMES = sorted(path.name.removesuffix(".before.yaml") for path in PAIRS.glob("*.before.yaml"))


def canonical(data: bytes) -> bytes:
    problems = Problems()
    source = parse_source("in.yaml", data, problems)
    problems.raise_if_any()
    found = formatted(source)
    assert isinstance(found, bytes), found
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["as it is", "CRLF", "CR", "BOM"])
def test_before_and_after(name: str, form: str) -> None:
    before, after = ((PAIRS / f"{name}.{when}.yaml").read_bytes() for when in ("before", "after"))
    ends = {"CRLF": b"\r\n", "CR": b"\r"}.get(form, b"\n")
    mark = b"\xef\xbb\xbf" if form == "BOM" else b""
    assert canonical(mark + before.replace(b"\n", ends)).decode() == after.decode()
    assert canonical(after) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b"\n \n", b""),
        (b"# only a comment", b"# only a comment\n"),
        (b"a: 1", b"a: 1\n"),
        (b"a: |\n  x", b"a: |-\n  x\n"),
        (b"a: |+\n  x", b"a: |-\n  x\n"),
        (b"a: |\n  x\n  ", b"a: |\n  x\n"),
        (b"a: |\n  x\n   ", b"a: |-\n  x\n   \n"),
        (b"  ---\n", b"  ---\n"),
        (b"\n  ... a\n", b"  ... a\n"),
        (b"a: |", b"a: |\n"),
        (b"- |1\n  x\n", b"- |2\n   x\n"),
        (b"--- |\n x\n", b"--- |\n  x\n"),
        (b"a\nb\n", b"a\n  b\n"),
    ],
)
def test_ends_of_files(before: bytes, after: bytes) -> None:
    assert canonical(before) == after

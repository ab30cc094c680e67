"""A text and its canonical text turned into the lines of a unified diff, in a time that grows with their length only."""

from __future__ import annotations

from collections.abc import Iterator

AHEAD = 32
CONTEXT = 3
NO_END = "\\ No newline at end of file"


def difference(name: str, before: str, after: str) -> Iterator[str]:
    """Nothing where the two are equal. Lines keep everything but their line feeds."""
    steps = [*_steps(_lines(before), _lines(after))]
    changed = [index for index, (sign, _) in enumerate(steps) if sign != " "]
    if not changed:
        return
    yield f"--- {name}"
    yield f"+++ {name}"
    done = old = new = 0  # steps, and lines of both texts, before the hunk
    for start, end in _hunks(changed, len(steps)):
        old, new = old + start - done, new + start - done  # what stands between two hunks is in both
        hunk = steps[start:end]
        removed, added = (sum(sign != other for sign, _ in hunk) for other in "+-")
        yield f"@@ -{_range(old, removed)} +{_range(new, added)} @@"
        for sign, line in hunk:
            yield sign + line.removesuffix("\n")
            if not line.endswith("\n"):
                yield NO_END
        done, old, new = end, old + removed, new + added


def _lines(text: str) -> list[str]:
    lines = [f"{line}\n" for line in text.split("\n")]
    last = lines.pop().removesuffix("\n")
    return [*lines, last] if last else lines


def _range(before: int, count: int) -> str:
    return f"{before + 1 if count else before},{count}"


def _hunks(changed: list[int], length: int) -> Iterator[tuple[int, int]]:
    """Where hunks start and end, half-open."""
    start = last = changed[0]
    for index in [*changed[1:], length + 2 * CONTEXT + 1]:
        if index - last > 2 * CONTEXT:
            yield max(0, start - CONTEXT), min(length, last + CONTEXT + 1)
            start = index
        last = index


def _steps(old: list[str], new: list[str]) -> Iterator[tuple[str, str]]:
    """Each line with its sign; of lines that differ, those that went come first."""
    went: list[str] = []
    came: list[str] = []
    i = j = 0
    while i < len(old) or j < len(new):
        if i < len(old) and j < len(new) and old[i] == new[j]:
            yield from (("-", line) for line in went)
            yield from (("+", line) for line in came)
            yield " ", old[i]
            went, came, i, j = [], [], i + 1, j + 1
            continue
        skipped, added = _next_equal(old[i : i + AHEAD], new[j : j + AHEAD])
        went += old[i : i + skipped]
        came += new[j : j + added]
        i, j = i + skipped, j + added
    yield from (("-", line) for line in went)
    yield from (("+", line) for line in came)


def _next_equal(old: list[str], new: list[str]) -> tuple[int, int]:
    """How many lines stand before the next line that both have, blank ones aside; one of each if there is none."""
    places = {line: place for place, line in reversed([*enumerate(new)])}
    found = [
        (place + places[line], place, places[line]) for place, line in enumerate(old) if line in places and line.strip()
    ]
    _, skipped, added = min(found, default=(0, 1, 1))
    return skipped, added

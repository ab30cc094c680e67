"""Problems turned into text with an excerpt and a caret, and into JSON with stable codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from reconciler.diff.visible import visible
from reconciler.errors import Problem
from reconciler.load.fixes import fix_of
from reconciler.model.amount import amount
from reconciler.model.secret_text import masked
from reconciler.render.style import Style
from reconciler.render.width import LEAST, cells, cut, cut_end

FORMAT_VERSION = "1.0"


_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


def problem_text(problem: Problem, style: Style, severity: str = "error") -> str:
    """Return the lines of a problem, without anything that looks like a secret."""
    return "\n".join(_lines(_safe(problem), style, severity))


def _safe(problem: Problem) -> Problem:
    """Mask what looks like a secret wherever a name or a value got into the words. The excerpt was masked where it was cut."""
    return replace(
        problem,
        message=masked(problem.message),
        address=masked(problem.address) if problem.address else problem.address,
        path=tuple(masked(part) if isinstance(part, str) else part for part in problem.path),
        expected=masked(problem.expected) if problem.expected else problem.expected,
        hint=masked(problem.hint) if problem.hint else problem.hint,
        related=tuple((masked(what), place) for what, place in problem.related),
    )


def _lines(problem: Problem, style: Style, severity: str) -> Iterator[str]:
    colour = _COLOURS[severity]
    yield f"{style.paint(f'{severity.capitalize()}:', colour, 'bold')} {visible(problem.message)}"
    if problem.place:
        about = f", {problem.address}" if problem.address and problem.address not in problem.message else ""
        yield f"  on {visible(str(problem.place))}{about}"
    elif problem.address and problem.address not in problem.message:
        yield f"  for {problem.address}"
    if problem.excerpt is not None and problem.place and problem.place.line:
        number = str(problem.place.line)
        before, marked, after = _around(problem, style.width and style.width - len(number) - 5)
        yield f"  {number} | {before}{marked}{after}"
        if problem.caret <= len(problem.excerpt):
            yield f"  {' ' * len(number)} | {' ' * cells(before)}{style.paint('^' * max(1, cells(marked)), colour)}"
    for name, place in problem.related:
        yield f"  {name}: {visible(str(place))}"
    if problem.expected and problem.expected not in problem.message:
        yield f"  expected: {visible(problem.expected)}"
    if problem.hint:
        yield f"  {style.paint('next:', 'cyan')} {visible(problem.hint)}"
    yield f"  [{problem.code}]"


def _around(problem: Problem, room: int | None) -> tuple[str, str, str]:
    """Return the excerpt before, at and behind the mark; where it is wider than ``room``, what is far from the mark goes."""
    line = problem.excerpt or ""
    end = min(len(line), problem.caret + max(1, problem.width))
    before, marked, after = line[: problem.caret], line[problem.caret : end], line[end:]
    if room is None or cells(line) <= room:
        return before, marked, after
    room = max(LEAST, room)
    marked = cut(marked, room // 2)
    behind = cut_end(after, max(1, (room - cells(marked)) // 3))
    front = room - cells(marked) - cells(behind)
    return cut_end(before[::-1], front)[::-1], marked, behind


def problems_text(problems: Iterable[Problem], style: Style, warnings: Iterable[Problem] = ()) -> str:
    """Render problems and warnings as text, with places and hints."""
    texts = [problem_text(problem, style) for problem in problems]
    texts += [problem_text(problem, style, "warning") for problem in warnings]
    return "\n\n".join("\n".join(style.lines(text)) for text in texts)


def problems_counted(problems: Sequence[Problem]) -> str:
    """Return how many problems there are in how many files; nothing for a single one, or where none is in a file."""
    files = {problem.place.file for problem in problems if problem.place}
    if len(problems) < 2 or not files:
        return ""
    return f"{len(problems)} problems in {amount(len(files), 'file')}."


def problem_json(problem: Problem) -> dict[str, Any]:
    """Return a problem as JSON."""
    problem, place = _safe(problem), problem.place
    return {
        "code": problem.code,
        "message": problem.message,
        "address": problem.address,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "path": list(problem.path),
        "expected": problem.expected,
        "hint": problem.hint,
        **({"fix": fix} if (fix := fix_of(problem)) is not None else {}),
        "excerpt": problem.excerpt,
        "related": [
            {"what": what, "file": where.file, "line": where.line, "column": where.column}
            for what, where in problem.related
        ],
    }


def errors_json(problems: Iterable[Problem], warnings: Iterable[Problem] = ()) -> dict[str, Any]:
    """Return what every command prints with ``--format json`` when it fails; ``warnings`` are there if there are any."""
    found = {"format_version": FORMAT_VERSION, "errors": [problem_json(problem) for problem in problems]}
    more = warnings_json(warnings)
    return {**found, "warnings": more} if more else found


def warnings_json(warnings: Iterable[Problem]) -> list[dict[str, Any]]:
    """Return what doesn't fail by itself, each with its severity."""
    return [{**problem_json(one), "severity": "warning"} for one in warnings]

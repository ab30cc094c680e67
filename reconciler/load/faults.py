"""Collects what is wrong with one file while it is read: the first problems in words, the others as a number."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any, NoReturn

from reconciler.codes import Code
from reconciler.errors import Place, Problem

MAX_PROBLEMS = 200
"""Of one file while it is read."""
MAX_FOUND = 2000
"""Of all files: with so many, others help nobody, and each costs an excerpt. So nothing more is looked for."""


def is_full(problems: Sized) -> bool:
    """Whether so many problems were found that no others are looked for."""
    return len(problems) >= MAX_FOUND


class Stop(Exception):
    """Nothing more can be read of this file; the problem has been reported."""


class Faults:
    """The problems of one file, in the order in which they are found."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.hidden = 0
        self.hidden_at: Place | None = None

    def put(self, problem: Problem) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
        else:
            self.hidden += 1
            self.hidden_at = self.hidden_at or problem.place

    def add(self, code: Code, message: str, at: Any, **more: Any) -> None:
        """Report a problem at a key's event, at a mark, or at a place."""
        start = getattr(at, "start_mark", at)
        if start is not at and start.line == at.end_mark.line:
            more.setdefault("width", max(1, at.end_mark.column - start.column))
        place = at if isinstance(at, Place) else Place(self.file, start.line + 1, start.column + 1)
        self.put(Problem(code, message, place=place, **more))

    def stop(self, code: Code, message: str, at: Any) -> NoReturn:
        self.add(code, message, at)
        raise Stop

    def reported(self) -> list[Problem]:
        if self.hidden:
            message = f"{self.hidden} more problem{'s'[: self.hidden > 1]} in this file"
            self.problems.append(Problem("more-problems", message, place=self.hidden_at))
        return self.problems

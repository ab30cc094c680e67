"""Text of somebody's configuration, turned into Markdown that stays text: no link, no mention, no HTML, no end of a fence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from reconciler.diff.visible import visible

_ADDRESS = re.compile(r"[a-z0-9-]+/[a-z0-9-]+/[a-z0-9-]+\Z")
_RUNS = re.compile(r"`+")


def _longest_run(text: str) -> int:
    return max(map(len, _RUNS.findall(text)), default=0)


def code(text: object, limit: int = 300) -> str:
    """Return a code span on one line. Nothing in it is read as Markdown; its fence is longer than any run of backticks in it."""
    shown = visible(str(text)).replace("|", "\\|")
    shown = shown if len(shown) <= limit else shown[: limit - 1] + "…"
    if not shown.strip():
        return "` `"
    fence = "`" * (_longest_run(shown) + 1)
    space = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{space}{shown}{space}{fence}"


def fenced(lines: Sequence[str], language: str) -> list[str]:
    """Return a fenced block that its content can't end."""
    fence = "`" * max(3, 1 + max(map(_longest_run, lines), default=0))
    return [fence + language, *lines, fence]


def in_summary(address: str) -> str:
    """Return the address of a resource for a summary, which is HTML.

    A row that somebody made by hand may have any name: in ``code`` it is no mention, and no link.
    """
    return address if _ADDRESS.match(address) else f"<code>{escape(visible(address))}</code>"


def details(summary: str, body: Iterable[str]) -> list[str]:
    """Return a folded block; ``summary`` is text of ours: fixed words, and addresses by ``in_summary``."""
    lines = list(body)
    while lines and not lines[0]:
        del lines[0]
    while lines and not lines[-1]:
        del lines[-1]
    return ["<details>", f"<summary>{summary}</summary>", "", *lines, "", "</details>"]


def row(cells: Iterable[object]) -> str:
    """Render cells as a row of a Markdown table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], numbers_from: int) -> list[str]:
    """Columns from ``numbers_from`` on are numbers."""
    rule = ["---" if index < numbers_from else "---:" for index in range(len(head))]
    return [row(head), row(rule), *(row(cells) for cells in rows)]

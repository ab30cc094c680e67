"""Two plans turned into the lines in which they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import unified_diff

from reconciler.model.plan import Change
from reconciler.planner.reviewed import Difference
from reconciler.render.plan_text import group_lines
from reconciler.render.style import Style

PLAIN = Style(False)
_COLOURS = {"-": "red", "+": "green"}


def difference_lines(found: Iterable[Difference], style: Style) -> Iterator[str]:
    """Yield a line for each line of one of the plans: ``-`` as it was reviewed, ``+`` as it is now."""
    yield "This is not the plan that was reviewed (- as reviewed, + as it would be now):"
    for one in found:
        yield from ("", f"  {one.address}")
        pair = _lines(one.reviewed), _lines(one.current)
        if pair[0] == pair[1]:
            yield "    the same fields, of another row or with another secret behind a reference"
        for line in [*unified_diff(*pair, lineterm="", n=1000)][2:]:
            if not line.startswith("@@"):
                yield "  " + style.paint(line, *([_COLOURS[line[0]]] if line[0] in _COLOURS else []))


def _lines(change: Change | None) -> list[str]:
    return [] if change is None else [line for line in group_lines([change], PLAIN) if line.strip()]

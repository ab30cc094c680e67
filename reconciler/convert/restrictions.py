"""Fields of other tools that limit what may be done: one that can't be carried over switches its resource off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from reconciler.convert.ledger import Ledger
from reconciler.convert.resources import Draft
from reconciler.errors import Path

SWITCHES = {"connector": "runtime", "integration": "enabled"}
"""By kind: the field whose ``false`` switches a resource off. A template has none here, and is left out."""


class Restriction(NamedTuple):
    """A field that limits something. ``path`` has dots; ``*`` is any one step of it.

    It begins at the resource's place in the input, or at the document's if it limits ``everything`` in it. ``becomes`` says
    where the limit stands in a manifest; empty if it can't be carried over. For one that is ``judged``, the converter
    decides by the value whether it limits anything, and reports it with ``Node.restricts``.
    """

    path: str
    limits: str
    becomes: str = ""
    everything: bool = False
    judged: bool = False

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(self.path.split("."))


class Lost(NamedTuple):
    """A limit that no manifest holds: the place of the field, and what it limits in words."""

    path: Path
    limits: str


def withhold(drafts: list[Draft], restrictions: Iterable[Restriction], ledger: Ledger) -> bool:
    """Switch off or take out every draft that lost a limit; return whether that was one more than before."""
    listed = tuple(restrictions)
    reported = {finding.path for finding in ledger.findings if finding.what == "restriction"}
    explicit = [finding.path for finding in ledger.findings if finding.what == "restriction"]
    withheld = False
    for draft in [*drafts]:
        if draft.address.kind not in {*SWITCHES, "template"} or draft.withheld:
            continue
        lost = [*_lost(draft, listed, ledger)]
        said = any(_is_below(path, node.path) for path in explicit for node in (*draft.made_of, *draft.governed_by))
        said = said or any(_concerns_all(path, listed) for path in explicit)
        if not lost and not said:
            continue
        withheld = True
        _take_off(draft, drafts)
        for one in lost:
            if one.path not in reported:
                ledger.add("restriction", one.path, f"{one.limits}, and can't be carried over", 1, _outcome(draft))
    return withheld


def _take_off(draft: Draft, drafts: list[Draft]) -> None:
    draft.withheld = True
    switch = SWITCHES.get(draft.address.kind)
    if switch is None:
        drafts.remove(draft)
        for node in draft.made_of:
            node.left_open("the template would allow more than the tool it was made of")
    else:
        draft.body = {**draft.body, switch: False}


def _outcome(draft: Draft) -> str:
    switch = SWITCHES.get(draft.address.kind)
    name = f"{draft.address.kind}/{draft.address.name}"
    return f"{name} is left out" if switch is None else f"{name} is switched off (`{switch}: false`)"


def _lost(draft: Draft, restrictions: Iterable[Restriction], ledger: Ledger) -> Iterator[Lost]:
    """Yield each limit of a draft's own fields, or of everything in its document, that wasn't carried over."""
    seen: set[Path] = set()
    for one in restrictions:
        if one.judged:
            continue
        nodes = [node.path[:1] for node in draft.made_of] if one.everything else [node.path for node in draft.made_of]
        for start in dict.fromkeys(nodes):
            for path in matching(ledger, start, one.steps):
                if path not in seen:
                    seen.add(path)
                    yield Lost(path, one.limits)


def matching(ledger: Ledger, start: Path, steps: tuple[str, ...]) -> Iterator[Path]:
    """Yield the places of a field below ``start`` with a value in it that no manifest holds."""
    found: dict[Path, None] = {}
    length = len(start) + len(steps)
    for path in ledger.below(start):
        fits = len(path) >= length and all(
            _fits(step, part) for step, part in zip(steps, path[len(start) :], strict=False)
        )
        if fits and ledger.fates[path] in (None, "left"):
            found[path[:length]] = None
    yield from found


def _concerns_all(path: Path, restrictions: tuple[Restriction, ...]) -> bool:
    """Whether a field that was reported limits everything in its document."""
    return any(
        one.everything and len(path) > len(one.steps) and all(map(_fits, one.steps, path[1:])) for one in restrictions
    )


def _fits(step: str, part: str | int) -> bool:
    return step in ("*", str(part))


def _is_below(path: Path, node: Path) -> bool:
    return path[: len(node)] == node

"""Effects on access as sentences, the same for every format: "sales-bot may now: query template/wages"."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import NamedTuple

from reconciler.diff.visible import visible
from reconciler.model.effects import Effects
from reconciler.plan.effects import effects_document
from reconciler.render.plan_json import PlanJson

TITLE = "Access"
SUBJECTS, TARGETS = 30, 8
"""How many subjects, and targets of one, text and Markdown show; a page shows all that a plan lists."""


class Sentence(NamedTuple):
    """``subject`` and what it may now, or may no longer, do; ``more`` counts what is not in ``things``."""

    subject: str
    verb: str
    things: tuple[str, ...]
    more: int

    def text(self, mark: Callable[[str], str] = visible) -> str:
        """Return it as one line; ``mark`` makes somebody's text safe for the format."""
        things = [*map(mark, self.things), *([f"and {self.more:,} more"] if self.more else [])]
        return f"{mark(self.subject)} {self.verb}: {', '.join(things)}"


def access_lines(effects: Effects) -> Iterator[str]:
    """Yield the section of a plan as text; empty where nobody gains or loses anything."""
    if effects.listed:
        document = effects_document(effects)
        yield f"{TITLE}:"
        yield from (f"  {sentence.text()}" for sentence in sentences(document, SUBJECTS, TARGETS))
        if rest := left_out(document, SUBJECTS):
            yield f"  {rest}"
        yield ""


def sentences(document: PlanJson, subjects: int, targets: int) -> Iterator[Sentence]:
    """Yield the first effects of a plan's document; ``targets`` bounds what each names."""
    listed = document.get("access_effects", ())
    tenants = {effect["tenant"] for effect in listed}
    for effect in listed[:subjects]:
        verb = "may now" if effect["change"] == "widened" else "may no longer"
        shown = effect["reaches"][:targets]
        lead = f"{effect['tenant']}: " if len(tenants) > 1 else ""
        yield Sentence(lead + _subject(effect), verb, tuple(_things(shown, effect)), effect["count"] - len(shown))


def left_out(document: PlanJson, subjects: int) -> str:
    """Say how many effects are not among the first ones, and what all of them are; "" where all are."""
    summary = document["access_summary"]
    rest = summary["subjects"] - min(subjects, len(document["access_effects"]))
    if not rest:
        return ""
    pairs = f"in all, {summary['widened']:,} more and {summary['narrowed']:,} fewer pairs of a caller and a target"
    return f"and {rest:,} more like these; {pairs}"


def _subject(effect: PlanJson) -> str:
    text = str(effect["caller"])
    if effect["roles"]:
        roles = f"the role{'s' if len(effect['roles']) > 1 else ''} {', '.join(effect['roles'])}"
        text += f" with {roles} from its token"
    if effect["way"]:
        text += f" by {effect['way']}"
    return text


def _things(reaches: list[PlanJson], effect: PlanJson) -> Iterator[str]:
    """Each with its action, which is not repeated for the next one."""
    for action, same in groupby(reaches, lambda reach: reach["action"]):
        for number, reach in enumerate(same):
            through = f" (through {reach['through']})" if reach["through"] else ""
            yield f"{'' if number else f'{action} '}{reach['target']}{through}{_approval(reach, effect)}"


def _approval(reach: PlanJson, effect: PlanJson) -> str:
    """Return what an approval does to the access: what is gained is gained after it, what is lost is the call without it."""
    words = str(reach.get("approval") or "")
    if effect["change"] == "narrowed":
        words = words.replace("after", "without", 1)
    return f" {words}" if words else ""

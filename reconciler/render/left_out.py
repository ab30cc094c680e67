"""What a plan or a look for drift left out, as sentences: "no changes" is said of what was looked at, and of no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from reconciler.diff.visible import visible
from reconciler.render.plan_json import PlanJson

Mark: TypeAlias = Callable[[str], str]
NO_CHANGES = "No changes. Your infrastructure matches the configuration."
NO_DRIFT = "No drift. What is live is what was applied last."
_NAMED = 5
_WORDS = {
    "not-selected": ("{} change outside of what was selected is left out", "{} changes outside of what was selected are left out"),
    "deletion": ("{} deletion is left out", "{} deletions are left out"),
    "replacement": ("{} replacement is left out", "{} replacements are left out"),
    "not-compared": ("{} resource outside of what was selected was not compared", "{} resources outside of what was selected were not compared"),
    "not-planned": ("what is not selected was not compared: it has {} problem of its own", "what is not selected was not compared: it has {} problems of its own"),
    "drift": ("{} finding outside of what was selected is left out", "{} findings outside of what was selected are left out"),
    "ignored": ("{} difference is left to others by ignore rules", "{} differences are left to others by ignore rules"),
}  # fmt: skip


def no_changes(document: PlanJson, mark: Mark = visible) -> str:
    """Return the sentence of a plan without changes.

    ``document`` is a plan's, or what of it says operation, ``selected`` and ``left_out``; ``mark`` makes somebody's text
    safe for the format.
    """
    operation = document.get("operation", "apply")
    if operation != "apply":
        return f"No changes. There is nothing left to {operation}."
    return _calm(document, mark, NO_CHANGES, "No changes")


def no_drift(document: PlanJson, mark: Mark = visible) -> str:
    """Return the sentence of drift without findings."""
    return _calm(document, mark, NO_DRIFT, "No drift")


def left_out_lines(document: PlanJson, mark: Mark = visible) -> Iterator[str]:
    """Return a sentence for each sort of what was left out, with the first names."""
    for one in document.get("left_out", ()):
        count, addresses = one["count"], one["addresses"]
        sentence = _WORDS[one["why"]][count != 1].format(f"{count:,}")
        more = len(addresses) - _NAMED if one["why"] == "ignored" else count - len(addresses[:_NAMED])
        names = [*map(mark, addresses[:_NAMED]), *([f"and {more:,} more"] if addresses and more > 0 else [])]
        yield f"{sentence[0].upper()}{sentence[1:]}{': ' if names else ''}{', '.join(names)}."


def _calm(document: PlanJson, mark: Mark, whole: str, nothing: str) -> str:
    left = {one["why"] for one in document.get("left_out", ())}
    if not left:
        return whole
    if left == {"ignored"}:
        return f"{whole.removesuffix('.')}, but for what ignore rules leave to others."
    selected: Sequence[str] = document["selected"]
    if not selected:
        return f"{nothing} besides what is left out."
    more = f", and {len(selected) - _NAMED} more" if len(selected) > _NAMED else ""
    return f"{nothing} in what was selected ({', '.join(map(mark, selected[:_NAMED]))}{more})."

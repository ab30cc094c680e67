"""What may happen next in a life, by name."""

from __future__ import annotations

from collections.abc import Callable

from .bodies import Pick
from .going_back import reverts, rolls_back
from .late import applies_what_was_saved, dies_while_applying, saves
from .life import Life, external_of
from .wishes import adoptions, hands

Step = Callable[[Life, Pick], None]


def _edits_and_applies(life: Life, pick: Pick) -> None:
    want, external = life.edits(pick)
    adoptions(pick, want, life)
    life.applies(want, external)


def _applies_again(life: Life, pick: Pick) -> None:
    life.applies(life.want, external_of(life.want, life.external))


STEPS: dict[str, Step] = {
    "edits and applies": _edits_and_applies,
    "applies again": _applies_again,
    "hands in the database": lambda life, pick: hands(pick, life, life.want.bodies),
    "the other project applies": lambda life, pick: life.other_edits(pick),
    "looks for drift": lambda life, pick: life.looks_for_drift(),
    "adopts": lambda life, pick: life.adopts(pick),
    "forgets": lambda life, pick: life.forgets(pick),
    "rolls back": rolls_back,
    "reverts": reverts,
    "saves a plan": saves,
    "applies what was saved": lambda life, pick: applies_what_was_saved(life),
    "dies while applying": dies_while_applying,
}

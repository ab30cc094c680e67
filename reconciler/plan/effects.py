"""Convert effects on access into the values that a plan's document has for them, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reconciler.model.address import Address
from reconciler.model.effects import Effect, Effects, Reach

if TYPE_CHECKING:
    # a plan that is printed as text has effects and needs no types of documents
    from reconciler.plan.document import AccessSummaryDocument, EffectDocument


def effects_document(effects: Effects) -> dict[str, Any]:
    """Return the two fields that a plan has for them."""
    return {
        "access_effects": [effect_document(effect) for effect in effects.listed],
        "access_summary": {
            "subjects": effects.subjects,
            "widened": effects.widened,
            "narrowed": effects.narrowed,
        },
    }


def effect_document(effect: Effect) -> dict[str, Any]:
    """Return one of the listed effects."""
    return {
        "tenant": effect.tenant,
        "caller": effect.caller,
        "roles": [*effect.roles],
        "way": effect.way,
        "change": "widened" if effect.widened else "narrowed",
        "reaches": [reach._asdict() for reach in effect.reaches],
        "count": effect.count,
        "causes": [str(address) for address in effect.causes],
    }


def read_effects(listed: Sequence[EffectDocument], summary: AccessSummaryDocument) -> Effects:
    """Return the effects of a document. Raises ValueError for a malformed address."""
    return Effects(tuple(map(_effect, listed)), summary.subjects, summary.widened, summary.narrowed)


def _effect(read: EffectDocument) -> Effect:
    return Effect(
        read.tenant,
        read.caller,
        read.change == "widened",
        tuple(Reach(one.action, one.target, one.policy, one.through, one.approval) for one in read.reaches),
        read.count,
        tuple(Address.parse(text) for text in read.causes),
        read.roles,
        read.way,
    )

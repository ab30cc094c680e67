"""A refused call turned into its evidence."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.access.decide import Ask, Decision
from reconciler.access.judge import Caller
from reconciler.runtime import gate
from reconciler.runtime.ledger.entries import Denial


class Said(NamedTuple):
    """The run that the caller named, and what belongs to the reason: the limit, the call that is repeated."""

    run: str = ""
    detail: str = ""


def denial_of(identity: str, caller: Caller, ask: Ask, decision: Decision, generation: int, said: Said) -> Denial:
    """Return the evidence of a refusal. What a caller made up (a name, an action) has no path."""
    target = decision.target
    known = target if target is not None and ask.action in {None, target.action} else None
    return Denial(
        id=identity,
        tenant=caller.tenant,
        caller=caller.name,
        target=gate.name(str(ask)),
        reason=decision.reason,
        detail=said.detail,
        policy=decision.policy or "",
        generation=generation,
        run=said.run,
        action=known.action if known else gate.name(ask.action or ""),
        uid=caller.uid,
        key=caller.credential,
        roles=tuple(sorted(caller.roles)),
        project=known.chain[0].known.project or "" if known else "",
        connector=known.connector.name if known else "",
        chain=known.path if known else (),
    )

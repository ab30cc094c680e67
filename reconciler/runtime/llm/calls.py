"""Calls of models through the one choke point: decided, limited and recorded by the mediator, answered by one of several deployments.

Nothing reaches a provider without a durable intent, and no try without its reservation. However a call ends, each try is settled
once, and the call once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from reconciler.access.decide import Ask, Decision
from reconciler.access.judge import Caller, judge
from reconciler.access.models import Way, models_of, target_of_model, ways_of
from reconciler.access.resource import Resource
from reconciler.access.snapshot import Tenant
from reconciler.access.target import Target
from reconciler.kinds.model_target import INTEGRATION
from reconciler.model.target import Unfit
from reconciler.runtime.call import Call
from reconciler.runtime.guardrails.model_call import inspection_of
from reconciler.runtime.inside import Outer
from reconciler.runtime.ledger.entries import Refused, Unapproved, Use, new_id
from reconciler.runtime.ledger.ledger import Admitted, Unavailable
from reconciler.runtime.limits import levels_of_call, levels_of_try
from reconciler.runtime.llm.approving import too_large_to_seal, wanted_of
from reconciler.runtime.llm.candidates import Candidate, Rules, candidates_of
from reconciler.runtime.llm.choice import Cooldowns, Ranked, affinity_of, in_order, key_of, well
from reconciler.runtime.llm.expected import Expected
from reconciler.runtime.llm.inspection import Blocked, Inspection
from reconciler.runtime.llm.policy import leaves_others, limit_refusal, policy_of, try_of
from reconciler.runtime.llm.prices import PriceBook
from reconciler.runtime.llm.records import Record
from reconciler.runtime.llm.request import ModelRequest
from reconciler.runtime.llm.running import Answered, RunningCall
from reconciler.runtime.mediator import Mediator, Refusal
from reconciler.runtime.results import Ended
from reconciler.runtime.source import InForce
from reconciler.runtime.threads import aside
from reconciler.runtime.tracing_model import Operation

Inspect = Callable[[Tenant, Sequence[Target], ModelRequest], Inspection | None]
"""From the targets that a call may go through to the inspection by their guardrails; None without any."""


class Decided(NamedTuple):
    """A call that policies allow, and the ways that it may take."""

    evidence_id: str
    in_force: InForce
    tenant: Tenant
    caller: Caller
    ask: Ask
    decision: Decision
    target: Target
    ways: tuple[Way, ...]
    run: str
    outer: Resource | None = None
    """What the call is inside of, where it is: the target that another call names."""
    use: Use | None = None
    """The approval that the call uses, where it needs one."""

    @property
    def route(self) -> str:
        """`route/NAME`, or "" for an integration's own model."""
        return self.target.name if self.target.alternatives else ""


class ModelCalls:
    """``book`` knows prices and bounds of models, ``inspect`` finds the guardrails about a call."""

    def __init__(self, mediator: Mediator, book: PriceBook, inspect: Inspect = inspection_of) -> None:
        self._mediator, self._book, self._inspect = mediator, book, inspect
        self.cooldowns, self.expected = Cooldowns(), Expected()

    def models(self, caller: Caller) -> Mapping[str, Target]:
        """Return exactly the models that the caller may use, by their names. Raises Refusal."""
        in_force = self._mediator.in_force()
        tenant = in_force.snapshot.tenant(caller.tenant)
        return models_of(tenant, in_force.status, caller.within(tenant), self._mediator.has_key)

    async def call(self, caller: Caller, request: ModelRequest, run: str = "", approval: str = "") -> Answered:
        """Decide and make a call; its answer is whole, or a stream that has begun. ``approval`` is the id of the one it has.

        Raises Refusal, which is Pending for a call that waits for an approval.
        """
        return await self._make(self._decide(caller, request, run), request, approval)

    async def call_inside(self, outer: Outer, integration: str, request: ModelRequest) -> Answered:
        """Make a call inside of another one, which was decided with the integration in its chain. Raises Refusal."""
        return await self._make(self._decided_inside(outer, integration, request), request)

    async def _make(self, decided: Decided, request: ModelRequest, approval: str = "") -> Answered:
        try:
            inspection = self._inspect(decided.tenant, [way.target for way in decided.ways], request)
            size = len(request.raw)
            sent = request if inspection is None else await aside(size, inspection.request, request)
            candidates = await aside(size, self._candidates, decided, sent)
        except Blocked as blocked:
            refused = Refusal("content-blocked")
            refused.noted = blocked.guardrail
            raise self._denied(decided, refused) from None
        except Refusal as refusal:
            raise self._denied(decided, refusal) from None
        if decided.decision.approval is not None or approval:
            decided = decided._replace(use=await self._use(decided, sent, approval))
        record, left = await self._admitted(decided, sent, candidates, inspection)
        running = RunningCall(self._mediator, self.cooldowns, record, decided.caller, sent, inspection)
        return await running.answer(left, policy_of(decided.target))

    def _decide(self, caller: Caller, request: ModelRequest, run: str) -> Decided:
        """Return the call as decided. Raises Refusal, which is the same for a missing, a foreign and a denied model."""
        in_force = self._mediator.in_force()
        tenant = in_force.snapshot.tenant(caller.tenant)
        caller, evidence_id = caller.within(tenant), new_id()
        ask = Ask(target_of_model(tenant, request.model) or "route/?")
        decision = judge(tenant, in_force.status, caller, ask, self._mediator.has_key)
        target = decision.target
        if not decision.allowed or target is None:
            evidence_id = self._mediator.deny(evidence_id, in_force, caller, ask, decision, run)
            # who may not use a model anyway learns nothing of its freeze
            is_shown = decision.reason == "frozen" and judge(tenant, None, caller, ask, self._mediator.has_key).allowed
            raise Refusal("frozen" if is_shown else "not-found", evidence_id)
        ways = tuple(ways_of(tenant, in_force.status, caller, target, request.model))
        return Decided(evidence_id, in_force, tenant, caller, ask, decision, target, ways, run)

    def _decided_inside(self, outer: Outer, integration: str, request: ModelRequest) -> Decided:
        """Return the call as the outer one's decision allows it. Its run is the id of the outer one's evidence. Raises Refusal."""
        evidence_id, in_force, tenant, caller, decision = outer
        ask = Ask(f"{INTEGRATION}/{integration}")
        target = tenant.target(ask.target)
        if not isinstance(target, Target) or ask.target not in {one.name for one in decision.chain}:
            raise Refusal("not-found")
        own = Decision(True, "allowed", decision.policy, target)
        way = Way(target, request.model.partition("/")[2])
        decided = Decided(new_id(), in_force, tenant, caller, ask, own, target, (way,), evidence_id, decision.chain[0])
        if (wait := self._mediator.breakers.retry_after(target)) is not None:
            raise self._denied(decided, Refusal("breaker-open", retry_after=wait))
        return decided

    async def _use(self, decided: Decided, request: ModelRequest, given: str) -> Use:
        """Return the approval that a call uses; whether it counts is judged with the intent. Raises Pending, and Refusal."""
        mediator = self._mediator
        if mediator.approvals is None:  # nobody has to approve, or the call would be denied
            raise self._denied(decided, Refusal("approval-stale"))
        if (wrong := too_large_to_seal(request)) is not None:
            raise self._denied(decided, Refusal("too-large", unfit=(wrong,)))
        if given:
            try:
                await mediator.approvals.standing(decided.caller, given)
            except Refusal as refusal:
                if refusal.code != "not-found":  # which says that there is no such model
                    raise
                raise self._denied(decided, Refusal("approval-stale")) from None
        about = mediator.hashing, decided.tenant, decided.caller, decided.ask, decided.decision, request
        wanted = await aside(len(request.raw), wanted_of, *about)
        return await mediator.approval(wanted, given, decided.evidence_id, decided.run, decided.in_force)

    def _denied(self, decided: Decided, refusal: Refusal) -> Refusal:
        """Return a refusal with its evidence."""
        decision = decided.decision._replace(reason=refusal.code)
        detail = refusal.noted or ", ".join(one.parameter for one in refusal.unfit if one.parameter)
        refusal.evidence_id = self._mediator.deny(
            decided.evidence_id, decided.in_force, decided.caller, decided.ask, decision, decided.run, detail
        )
        return refusal

    def _candidates(self, decided: Decided, request: ModelRequest) -> list[Candidate]:
        """Return what may answer, in the order in which it is tried. Raises Refusal."""
        body = decided.target.operation.body
        ordered = in_order(
            decided.ways,
            body.get("strategy", "priority"),
            affinity_of(body, decided.caller.uid, request.affinity),
        )
        tenant, caller = decided.tenant, decided.caller.name
        rules = Rules(
            lambda integration: levels_of_try(tenant, caller, decided.route, integration),
            self._book.facts,
            body.get("max_output_tokens") if decided.route else None,
        )
        found, wrong = candidates_of(request, ordered, rules)
        if wrong is not None:
            raise Refusal(wrong.code, unfit=(Unfit(wrong.field, wrong.message),))
        ranked = well([Ranked(one.way, self._wait(one.way)) for one in found])
        return [one for one in found if any(one.way is way for way in ranked)]

    def _wait(self, way: Way) -> float:
        """Return for how many seconds a deployment is better left out."""
        mediator = self._mediator
        broken = float(mediator.breakers.retry_after(way.target) or 0)
        return max(self.cooldowns.left(key_of(way)), broken, mediator.standings.wait(way.target))

    async def _admitted(
        self, decided: Decided, request: ModelRequest, candidates: list[Candidate], inspection: Inspection | None
    ) -> tuple[Record, list[Candidate]]:
        """Write the intent with the first try that fits; return what may be tried from there on. Raises Refusal."""
        values = await aside(len(request.raw), self._mediator.hashing.hash, request.raw)
        refused: Refusal | None = None
        for number, candidate in enumerate(candidates):
            record = self._record(decided, candidate, request, values)
            try:
                if inspection is not None:
                    inspection.attempt(candidate.deployment.model, candidate.bound.cost if candidate.bound else None)
                one = try_of(record, request, candidate, 1, policy_of(decided.target).seconds)
                record.intent = record.intent._replace(hold=one.hold)
                answer = await self._mediator.ledger.admit(record.intent)
            except asyncio.CancelledError:
                if record.intent.id in self._mediator.ledger.open:  # it was written, and nobody goes on with it
                    record.begin(one)
                    record.end_try(None, is_free=True)
                    record.settle(Ended("failure", "cancelled"))
                raise
            except Unavailable:
                raise Refusal("unavailable", retry_after=1) from None
            except Blocked as blocked:
                refused = refused or Refusal("content-blocked")
                refused.noted = refused.noted or blocked.guardrail
                continue
            except Refusal as refusal:
                refused = refused or refusal
                continue
            if isinstance(answer, Admitted):
                record.warned = bool(answer.warned)
                record.begin(one)
                return record, candidates[number:]
            if isinstance(answer, Unapproved):
                refused = Refusal(await self._mediator.why_unapproved(answer))
                refused.noted = answer.use.id
                break
            assert isinstance(answer, Refused)
            level = answer.level
            limited = limit_refusal(answer, candidate)
            limited.noted = f"{level.target}:{level.unit}{f'/{level.per}' if level.per else ''}"
            if refused is None or refused.code == "limit-blocked":
                refused = limited
            if not leaves_others(answer, candidate):
                break
        assert refused is not None
        raise self._denied(decided, refused)

    def _record(self, decided: Decided, candidate: Candidate, request: ModelRequest, values: str) -> Record:
        seconds = policy_of(decided.target).seconds
        call = Call(candidate.way.target, {}, asyncio.get_running_loop().time() + seconds)
        _, in_force, tenant, caller, ask, decision = decided[:6]
        intent = self._mediator.intent(
            decided.evidence_id, in_force, tenant, caller, ask, decision, call, decided.run, values
        )
        levels = levels_of_call(tenant, caller.name, decided.route, decided.outer is not None)
        intent = intent._replace(levels=levels, use=decided.use)
        if (outer := decided.outer) is not None:
            intent = intent._replace(chain=((str(outer.known.address), outer.known.uid), *intent.chain))
        operation: Operation = "embeddings" if request.endpoint.name == "embeddings" else "chat"
        return Record(self._mediator.ledger, self.expected, intent, decided.route, operation=operation)

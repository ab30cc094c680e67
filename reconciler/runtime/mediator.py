"""The one choke point: who asks for what with which values, turned into a decided, limited, recorded call, or into a refusal."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from reconciler.access.decide import Ask, Decision, target_of_tool
from reconciler.access.judge import Caller, actions_of, frozen_by, judge, surface, waits
from reconciler.access.memo import Memo
from reconciler.access.snapshot import Tenant
from reconciler.access.target import Target
from reconciler.codes import Code
from reconciler.failpoints import armed
from reconciler.model.target import Unfit
from reconciler.runtime import gate, tracing_calls
from reconciler.runtime.approvals import Approvals, Pending, Wanted
from reconciler.runtime.arguments import bound_of, subject_of_token
from reconciler.runtime.breakers import Breakers
from reconciler.runtime.call import Answer, Call, Failed, Judge, ValuesRefused
from reconciler.runtime.guardrails.tool_call import inspection_of_call
from reconciler.runtime.hashing import ValuesKey
from reconciler.runtime.incidents import Incidents
from reconciler.runtime.inside import Embeddings, Outer, embed_of
from reconciler.runtime.ledger.entries import Intent, Outcome, Refused, Repeated, Unapproved, Use, new_id
from reconciler.runtime.ledger.ledger import Ledger, Unavailable
from reconciler.runtime.limits import LimitStatus, counters_of, declared, levels_of, status_of
from reconciler.runtime.metrics import Metrics
from reconciler.runtime.pools import Pools
from reconciler.runtime.refused import Said, denial_of
from reconciler.runtime.repeats import Repeat
from reconciler.runtime.reported import Usages
from reconciler.runtime.results import Done as Done
from reconciler.runtime.results import Ended, again, because, ended_by, evidence_code
from reconciler.runtime.results import Refusal as Refusal
from reconciler.runtime.source import InForce, Source, Stale
from reconciler.runtime.standings import Standings
from reconciler.runtime.threads import LARGE, aside, in_thread, to_its_end
from reconciler.runtime.underway import Running, Underway
from reconciler.runtime.uses import Uses

SLACK_SECONDS = 5.0
"""Beyond a call's own bound: what is left to be written down when it ends at the last moment."""
_TOOL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_UNREACHED = frozenset({"credential-unresolved"})
"""Codes of failures that come before anybody is asked; a call that is blocked reached nobody, too."""
_SHOWN: Mapping[str, Code] = {"tool-changed": "not-found"}
"""By the code of a failure: what the caller is told, where that is not the code itself."""


T = TypeVar("T")
MOST_MADE = 200
"""Of a tenant: what was made of sets of tools."""


def _made_of_tools(_tenant: Tenant) -> Memo[tuple[Any, ...], Any]:
    return Memo(MOST_MADE)


class Mediator:
    """``values_key`` is the store's; ``judges`` of calls are by the connector's type.

    ``hashing`` makes the hashes of values and results in evidence, by the store's key until it is set to another.
    """

    def __init__(
        self,
        source: Source,
        ledger: Ledger,
        pools: Pools,
        values_key: bytes,
        metrics: Metrics,
        judges: Mapping[str, Judge] = MappingProxyType({}),
    ) -> None:
        self._source, self.ledger, self.pools, self._values_key = source, ledger, pools, values_key
        self.metrics, self._judges = metrics, judges
        self.hashing = ValuesKey(values_key)
        self.approvals: Approvals | None = None
        """None where no key seals values: calls that need an approval are denied then."""
        self.usages: Usages | None = None
        """None where nobody reads the store."""
        self.embeddings: Embeddings | None = None
        """None where nobody calls models."""
        self.underway = Underway()
        self.uses, self.breakers, self.incidents, self.standings = Uses(), Breakers(), Incidents(), Standings()
        self._hit = armed()

    async def require_ready(self) -> None:
        """Return if a call would be decided and recorded now. Raises Refusal (``unavailable``), as a call would."""
        self.in_force()
        try:
            await self.ledger.prove()
        except Unavailable:
            raise Refusal("unavailable", retry_after=1) from None

    async def access(
        self, caller: Caller, ask: Ask, arguments: Mapping[str, Any], run: str = "", key: str = "", approval: str = ""
    ) -> Done:
        """Decide and make a call; a write with an Idempotency-Key is done once, and its result returned again. ``approval`` is the id of the one it has.

        Raises Refusal, which is Pending for a call that waits for an approval.
        """
        in_force = self.in_force()
        tenant = in_force.snapshot.tenant(caller.tenant)
        caller = caller.within(tenant)
        decision = judge(tenant, in_force.status, caller, ask, self.has_key)
        evidence_id, target = new_id(), decision.target
        if not decision.allowed or target is None:
            evidence_id = self.deny(evidence_id, in_force, caller, ask, decision, run)
            raise Refusal("not-found", evidence_id)
        try:
            call, values = await self._judged(target, arguments, caller, ask, gate.Labels(run, key))
        except Refusal as refusal:
            decision = decision._replace(reason=refusal.code)
            refusal.evidence_id = self.deny(
                evidence_id, in_force, caller, ask, decision, run, refusal.detail or refusal.noted
            )
            raise
        intent = self.intent(evidence_id, in_force, tenant, caller, ask, decision, call, run, values)
        if decision.approval is not None or approval:
            wanted = Wanted(caller, ask, decision, target, arguments, values)
            intent = intent._replace(use=await self.approval(wanted, approval, evidence_id, run, in_force))
        repeat = None
        if key and target.writes:
            repeat = Repeat(self._values_key, caller.tenant, caller.uid, key)
            intent = intent._replace(repeat=repeat.digest)
        admitted = await self._admit(intent, in_force, caller, ask, decision)
        if isinstance(admitted, Repeated):
            decision = decision._replace(reason="repeated")
            self.deny(evidence_id, in_force, caller, ask, decision, run, admitted.id)
            return again(admitted, repeat)._replace(foreign=target.part is not None)
        outer = Outer(evidence_id, in_force, tenant, caller, decision)
        call.embed = embed_of(self.embeddings, target, outer)
        answer = await self._execute(intent, caller, call, repeat)
        return Done(evidence_id, answer, admitted, foreign=target.part is not None)

    async def redeem(self, caller: Caller, approval: str, run: str = "", key: str = "") -> Done:
        """Run what was sealed for an approval, through all that a call goes through. Raises Refusal."""
        self.in_force()
        if self.approvals is None:
            raise Refusal("not-found")
        sealed = await self.approvals.sealed(self._within(caller), approval)
        return await self.access(caller, sealed.ask, sealed.arguments, run, key, approval)

    def awaits(self, caller: Caller) -> bool:
        """Whether the caller may call anything that waits for an approval. Raises Refusal."""
        in_force = self.in_force()
        return self.has_key and waits(in_force.snapshot.tenant(caller.tenant), in_force.status, caller)

    def tools(self, caller: Caller) -> dict[str, Target]:
        """Exactly what the caller may call, by the names that agents see. Raises Refusal."""
        in_force = self.in_force()
        return surface(in_force.snapshot.tenant(caller.tenant), in_force.status, caller, self.has_key)

    def of_tools(self, caller: Caller, make: Callable[[Mapping[str, Target]], T]) -> T:
        """Return what a function makes of the caller's tools: once for each set of tools in a snapshot. Raises Refusal."""
        found = self.tools(caller)
        kept = self.in_force().snapshot.tenant(caller.tenant).once(_made_of_tools)
        key = (make, *found)
        made: T | None = kept.get(key)
        if made is None:
            made = make(found)
            kept.keep(key, made)
        return made

    def actions(self, caller: Caller, plane: str) -> dict[str, Target]:
        """Return the actions that a caller may take on a plane, `plane/NAME`; none on an unknown one. Raises Refusal."""
        in_force = self.in_force()
        return actions_of(in_force.snapshot.tenant(caller.tenant), in_force.status, caller, plane, self.has_key)

    def planes(self, caller: Caller) -> dict[str, dict[str, Target]]:
        """Return the planes of which a caller may call something, and by which actions; sorted by name. Raises Refusal."""
        in_force = self.in_force()
        tenant = in_force.snapshot.tenant(caller.tenant)
        found = {
            name: actions_of(tenant, in_force.status, caller, name, self.has_key) for name in tenant.names("plane")
        }
        return {name.partition("/")[2]: actions for name, actions in found.items() if actions}

    async def limits(self, tenant: str, caller: str | None = None) -> list[LimitStatus]:
        """Return the status of a tenant's limits, or of those that are about one caller. Raises Refusal."""
        levels = declared(self.in_force().snapshot.tenant(tenant), caller)
        try:
            return status_of(levels, await self.ledger.used(counters_of(levels))) if levels else []
        except Unavailable:
            raise Refusal("unavailable", retry_after=1) from None

    def target_of(self, caller: Caller, tool: str) -> str:
        """Return the target behind the name that agents see; of what is not there, one that is not there either."""
        found = target_of_tool(self.in_force().snapshot.tenant(caller.tenant), tool)
        # what an agent makes up may be anything, and goes into evidence
        return found or f"tool/{tool if _TOOL.fullmatch(tool) else '?'}"

    def cancel_frozen(self, in_force: InForce) -> None:
        """Cancel what runs and is frozen now."""
        for running in self.underway:
            if frozen_by(in_force.status, running.caller, running.target):
                running.end("frozen")

    def end_all(self) -> None:
        """End what runs, since the server stops."""
        for running in self.underway:
            running.end("stopping")

    @property
    def has_key(self) -> bool:
        """Whether values of calls that wait for an approval can be sealed."""
        return self.approvals is not None

    def _within(self, caller: Caller) -> Caller:
        return caller.within(self.in_force().snapshot.tenant(caller.tenant))

    async def approval(self, wanted: Wanted, given: str, evidence_id: str, run: str, in_force: InForce) -> Use:
        """Return the approval that a call uses. A new request is one piece of evidence, and asking again is none.

        Raises Pending, and Refusal.
        """
        assert self.approvals is not None
        try:
            return await self.approvals.use(wanted, self.hashing, given)
        except Refusal as refusal:
            if refusal.code == "unavailable" or (isinstance(refusal, Pending) and not refusal.is_new):
                raise
            decision = wanted.decision._replace(reason=refusal.code)
            detail = refusal.waiting.id if isinstance(refusal, Pending) else ""
            refusal.evidence_id = self.deny(evidence_id, in_force, wanted.caller, wanted.ask, decision, run, detail)
            raise

    async def why_unapproved(self, unapproved: Unapproved) -> Code:
        """Return why the approval of a call did not count."""
        return await self.approvals.why(unapproved.use) if self.approvals else "approval-stale"

    async def _judged(
        self, target: Target, arguments: Mapping[str, Any], caller: Caller, ask: Ask, said: gate.Labels
    ) -> tuple[Call, str]:
        """Return the call that the values make, and their hash; what they can't make costs no intent and no charge.

        Raises Refusal.
        """
        if (wait := self.breakers.retry_after(target)) is not None:
            raise Refusal("breaker-open", retry_after=wait)
        size = gate.size_of(arguments)
        inspection = inspection_of_call(self.in_force().snapshot.tenant(target.tenant), target)
        bound = await aside(size, bound_of, target, arguments, caller, said, inspection)
        deadline = asyncio.get_running_loop().time() + target.seconds
        call = Call(target, bound.values, deadline, bound.body, False, subject_of_token(caller, target), inspection)
        try:
            if judge := self._judges.get(call.connector.body["type"]):
                await judge(call)
        except Failed as error:
            raise because(Refusal(error.code, outcome="blocked"), error) from None
        return call, await aside(size, self._hash, caller.tenant, str(ask), call)

    def _hash(self, tenant: str, target: str, call: Call) -> str:
        return self.hashing.hash(gate.hashable(tenant, target, call))

    def in_force(self) -> InForce:
        try:
            return self._source.current()
        except Stale:
            raise Refusal("unavailable", retry_after=1) from None

    def deny(
        self,
        evidence_id: str,
        in_force: InForce,
        caller: Caller,
        ask: Ask,
        decision: Decision,
        run: str,
        detail: str = "",
    ) -> str:
        """Return the id of the evidence of this refusal."""
        self.metrics.calls["repeated" if decision.reason == "repeated" else "denied"] += 1
        generation = generation_of(in_force, decision)
        denial = denial_of(evidence_id, caller, ask, decision, generation, Said(gate.name(run), detail))
        tracing_calls.denied(denial, evidence_id := self.ledger.deny(denial))
        return evidence_id

    def intent(
        self,
        evidence_id: str,
        in_force: InForce,
        tenant: Tenant,
        caller: Caller,
        ask: Ask,
        decision: Decision,
        call: Call,
        run: str,
        values: str,
    ) -> Intent:
        return Intent(
            id=evidence_id,
            tenant=caller.tenant,
            caller=caller.name,
            caller_uid=caller.uid,
            run=run,
            target=str(ask),
            connector=call.connector.name,
            action=call.target.action,
            values=values,
            policy=decision.policy or "",
            generation=generation_of(in_force, decision),
            drifted=call.target.drifted,
            seconds=call.deadline - asyncio.get_running_loop().time() + SLACK_SECONDS,
            levels=levels_of(tenant, caller.name, call.target),
            key=caller.credential,
            roles=tuple(sorted(caller.roles)),
            project=call.target.chain[0].known.project or "",
            chain=call.target.path,
            trace=tracing_calls.trace_id(),
        )

    async def _admit(
        self, intent: Intent, in_force: InForce, caller: Caller, ask: Ask, decision: Decision
    ) -> tuple[str, ...] | Repeated:
        """Record the intent and reserve its limits; return those that only warn."""
        try:
            admitted = await self.ledger.admit(intent)
        except Unavailable:
            raise Refusal("unavailable", retry_after=1) from None
        if isinstance(admitted, Repeated):
            return admitted
        if isinstance(admitted, Unapproved):
            why = await self.why_unapproved(admitted)
            decision = decision._replace(reason=why)
            raise Refusal(why, self.deny(intent.id, in_force, caller, ask, decision, intent.run, admitted.use.id))
        if isinstance(admitted, Refused):
            level = admitted.level
            detail = f"{level.target}:{level.unit}{f'/{level.per}' if level.per else ''}"
            decision = decision._replace(reason="limit-exceeded")
            evidence_id = self.deny(intent.id, in_force, caller, ask, decision, intent.run, detail)
            raise Refusal("limit-exceeded", evidence_id, retry_after=admitted.retry_after)
        return tuple(
            f"{level.target}: {level.unit}{f' per {level.per}' if level.per else ''}" for level in admitted.warned
        )

    async def _execute(self, intent: Intent, caller: Caller, call: Call, repeat: Repeat | None) -> Answer:
        """Return the answer of an admitted call. However it ends, it is settled once. Raises Refusal, CancelledError."""
        begun = time.monotonic()
        task = asyncio.create_task(self.pools.run(intent.id, call))
        running = Running(task, call.deadline, caller, call.target)
        self.underway.add(intent.id, running)
        answer, kept, cancelled, ended = None, None, None, Ended("unknown", "cancelled")
        try:
            came = await running.result()
            self._hit("after_effect")
            secrets = self.pools.secrets(call.tenant)
            if came.size <= LARGE:
                answer = gate.passed(came, secrets, call.inspection)
            else:  # what was done is done, whoever goes away meanwhile
                ending = await to_its_end(in_thread(gate.passed, came, secrets, call.inspection))
                answer, cancelled = ending.result, ending.cancelled
            kept = repeat.seal(intent.id, answer) if repeat else None
            ended = Ended("failure", "tool-failed") if answer.is_error else Ended("success", status=answer.status)
        except BaseException as error:
            answer = None
            is_interrupted = not isinstance(error, Exception) and not task.done()
            if is_interrupted:
                await running.stop()  # whether it has had an effect is known when it has ended
            ended = ended_by(error, running, call)
            if is_interrupted:
                raise
            if isinstance(error, ValuesRefused):
                unfit = (Unfit("arguments", str(error)),)
                raise Refusal("invalid-values", intent.id, unfit, outcome=ended.outcome) from None
            code = _SHOWN.get(ended.code, ended.code) or "internal-error"
            refusal = Refusal(code, intent.id, (), ended.retry_after, ended.outcome, ended.status)
            raise because(refusal, error) from None
        finally:
            self.underway.remove(intent.id)
            seconds = time.monotonic() - begun
            took = round(seconds * 1000)
            rows, size = (answer.rows, answer.size) if answer else (None, 0)
            self.metrics.ended(call.target.name.partition("/")[0], ended.outcome, seconds)
            if ended.status is not None:
                self.metrics.upstream[str(ended.status)] += 1
            digest = self.hashing.hash(answer.json) if answer else ""
            noted = evidence_code(ended.code, call)
            told = Outcome(intent.id, ended.outcome, rows, size, took, noted, kept, ended.status, digest)
            reached = call.effect or (ended.outcome != "blocked" and ended.code not in _UNREACHED)
            self.ledger.settle(told if reached else told._replace(charged=intent))
            tracing_calls.ended(intent, call.target.tool, told, seconds)
            self.uses.note(call.target, ended.outcome)
            self.breakers.note(call.target, ended.code, ended.status)
            self.incidents.note(call.target, ended.code)
        if cancelled is not None:
            raise cancelled
        return answer


def generation_of(in_force: InForce, decision: Decision) -> int:
    """Of the project that owns the target."""
    owner = decision.chain[0].known.project if decision.chain else None
    return in_force.snapshot.generations.get(owner or "", 0)

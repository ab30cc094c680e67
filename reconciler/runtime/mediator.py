"""The one choke point: who asks for what with which values, turned into a decided, limited, recorded call, or into a refusal."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from reconciler.access.decide import Ask, Decision, target_of_tool
from reconciler.access.judge import Caller, actions_of, frozen_by, judge, surface
from reconciler.access.snapshot import Tenant
from reconciler.access.target import Target
from reconciler.codes import Code
from reconciler.failpoints import armed
from reconciler.model.target import Bound, Unfit
from reconciler.runtime import gate
from reconciler.runtime.call import Answer, Call, Failed, Judge, Subject, ValuesRefused
from reconciler.runtime.hashing import ValuesKey
from reconciler.runtime.ledger.entries import Intent, Outcome, Refused, Repeated, new_id
from reconciler.runtime.ledger.ledger import Ledger, Unavailable
from reconciler.runtime.limits import LimitStatus, declared, levels_of, status_of
from reconciler.runtime.metrics import Metrics
from reconciler.runtime.pools import Pools
from reconciler.runtime.refused import Said, denial_of
from reconciler.runtime.repeats import Repeat
from reconciler.runtime.source import InForce, Source, Stale
from reconciler.runtime.threads import LARGE, aside, in_thread, to_its_end
from reconciler.runtime.underway import Running, Underway
from reconciler.strict_json import NotStrict

SLACK_SECONDS = 5.0
"""Beyond a call's own bound: what is left to be written down when it ends at the last moment."""
_TOOL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ENDED = {"frozen": "blocked", "timeout": "timeout", "stopping": "failure", "cancelled": "failure"}
"""What came of a call that was ended from here, and has changed nothing."""
_UNREACHED = frozenset({"credential-unresolved"})
"""Codes of failures that come before anybody is asked; a call that is blocked reached nobody, too."""
_SHOWN: Mapping[str, Code] = {"tool-changed": "not-found"}
"""By the code of a failure: what the caller is told, where that is not the code itself."""
_OUTCOMES = frozenset({"failure", "timeout", "blocked", "unknown"})


class Done(NamedTuple):
    """A call that succeeded."""

    evidence_id: str
    answer: Answer
    warned: tuple[str, ...] = ()
    replayed: bool = False
    """It was done before, for the same Idempotency-Key: this is what came of it then."""
    foreign: bool = False
    """The answer is that of somebody else's server, in the form in which that one gives it."""


class Refusal(Exception):
    """Why there is no result, as far as a caller may know: ``code`` is one of

    not-found (missing, foreign and denied look the same), invalid-values (``unfit`` says which), limit-exceeded
    (``retry_after`` in seconds), unavailable (evidence or what is in force), key-reused, still-running, outcome-unknown
    and result-not-kept (what became of the call that had the same Idempotency-Key, whose evidence is named), or a
    connector's own code, with ``outcome`` and, of an HTTP upstream, its ``upstream_status``. ``detail`` says what of the
    template is at fault, for whoever maintains it.
    """

    detail = ""

    def __init__(
        self,
        code: Code,
        evidence_id: str = "",
        unfit: tuple[Unfit, ...] = (),
        retry_after: int | None = None,
        outcome: str = "",
        upstream_status: int | None = None,
    ) -> None:
        super().__init__(code)
        self.code, self.evidence_id, self.unfit = code, evidence_id, unfit
        self.retry_after, self.outcome, self.upstream_status = retry_after, outcome, upstream_status


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
        self._source, self._ledger, self._pools, self._values_key = source, ledger, pools, values_key
        self._metrics, self._judges = metrics, judges
        self.hashing = ValuesKey(values_key)
        self._underway = Underway()
        self._hit = armed()

    async def require_ready(self) -> None:
        """Return if a call would be decided and recorded now. Raises Refusal (``unavailable``), as a call would."""
        self._in_force()
        try:
            await self._ledger.prove()
        except Unavailable:
            raise Refusal("unavailable", retry_after=1) from None

    async def access(
        self, caller: Caller, ask: Ask, arguments: Mapping[str, Any], run: str = "", key: str = ""
    ) -> Done:
        """A write with an Idempotency-Key is done once, and its result told again. Raises Refusal."""
        in_force = self._in_force()
        tenant = in_force.snapshot.tenant(caller.tenant)
        caller = caller.within(tenant)
        decision = judge(tenant, in_force.status, caller, ask, has_key=False)
        evidence_id, target = new_id(), decision.target
        if not decision.allowed or target is None:
            evidence_id = self._deny(evidence_id, in_force, caller, ask, decision, run)
            raise Refusal("not-found", evidence_id)
        try:
            call, values = await self._judged(target, arguments, caller, ask, gate.Labels(run, key))
        except Refusal as refusal:
            decision = decision._replace(reason=refusal.code)
            refusal.evidence_id = self._deny(evidence_id, in_force, caller, ask, decision, run, refusal.detail)
            raise
        intent = self._intent(evidence_id, in_force, tenant, caller, ask, decision, call, run, values)
        repeat = None
        if key and target.writes:
            repeat = Repeat(self._values_key, caller.tenant, caller.uid, key)
            intent = intent._replace(repeat=repeat.digest)
        admitted = await self._admit(intent, in_force, caller, ask, decision)
        if isinstance(admitted, Repeated):
            decision = decision._replace(reason="repeated")
            self._deny(evidence_id, in_force, caller, ask, decision, run, admitted.id)
            return _again(admitted, repeat)._replace(foreign=target.part is not None)
        answer = await self._execute(intent, caller, call, repeat)
        return Done(evidence_id, answer, admitted, foreign=target.part is not None)

    def tools(self, caller: Caller) -> dict[str, Target]:
        """Exactly what the caller may call, by the names that agents see. Raises Refusal."""
        in_force = self._in_force()
        return surface(in_force.snapshot.tenant(caller.tenant), in_force.status, caller, has_key=False)

    def planes(self, caller: Caller) -> dict[str, dict[str, Target]]:
        """Return the planes of which a caller may call something, and by which actions; sorted by name. Raises Refusal."""
        in_force = self._in_force()
        tenant = in_force.snapshot.tenant(caller.tenant)
        found = {
            name: actions_of(tenant, in_force.status, caller, name, has_key=False) for name in tenant.names("plane")
        }
        return {name.partition("/")[2]: actions for name, actions in found.items() if actions}

    async def limits(self, tenant: str, caller: str | None = None) -> list[LimitStatus]:
        """Return the status of a tenant's limits, or of those that are about one caller. Raises Refusal."""
        levels = declared(self._in_force().snapshot.tenant(tenant), caller)
        try:
            return status_of(levels, await self._ledger.used(levels)) if levels else []
        except Unavailable:
            raise Refusal("unavailable", retry_after=1) from None

    def target_of(self, caller: Caller, tool: str) -> str:
        """The target behind the name that agents see; of what is not there, one that is not there either."""
        found = target_of_tool(self._in_force().snapshot.tenant(caller.tenant), tool)
        # what an agent makes up may be anything, and goes into evidence
        return found or f"tool/{tool if _TOOL.fullmatch(tool) else '?'}"

    def cancel_frozen(self, in_force: InForce) -> None:
        """Ends what runs and is frozen now."""
        for running in self._underway:
            if frozen_by(in_force.status, running.caller, running.target):
                running.end("frozen")

    def end_all(self) -> None:
        """End what runs, since the server stops."""
        for running in self._underway:
            running.end("stopping")

    async def _judged(
        self, target: Target, arguments: Mapping[str, Any], caller: Caller, ask: Ask, said: gate.Labels
    ) -> tuple[Call, str]:
        """Return the call that the values make, and their hash; what they can't make costs no intent and no charge.

        Raises Refusal.
        """
        size = gate.size_of(arguments)
        bound = await aside(size, _bound, target, arguments, caller, said)
        deadline = asyncio.get_running_loop().time() + target.seconds
        call = Call(target, bound.values, deadline, bound.body, subject=_subject(caller, target))
        try:
            if judge := self._judges.get(call.connector.body["type"]):
                await judge(call)
        except Failed as error:
            raise _because(Refusal(error.code, outcome="blocked"), error) from None
        return call, await aside(size, self._hash, caller.tenant, str(ask), call)

    def _hash(self, tenant: str, target: str, call: Call) -> str:
        return self.hashing.hash(gate.hashable(tenant, target, call))

    def _in_force(self) -> InForce:
        try:
            return self._source.current()
        except Stale:
            raise Refusal("unavailable", retry_after=1) from None

    def _deny(
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
        self._metrics.calls["repeated" if decision.reason == "repeated" else "denied"] += 1
        generation = _generation(in_force, decision)
        return self._ledger.deny(
            denial_of(evidence_id, caller, ask, decision, generation, Said(gate.name(run), detail))
        )

    def _intent(
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
            generation=_generation(in_force, decision),
            drifted=call.target.drifted,
            seconds=call.deadline - asyncio.get_running_loop().time() + SLACK_SECONDS,
            levels=levels_of(tenant, caller.name, call.target),
            key=caller.credential,
            roles=tuple(sorted(caller.roles)),
            project=call.target.chain[0].known.project or "",
            chain=call.target.path,
        )

    async def _admit(
        self, intent: Intent, in_force: InForce, caller: Caller, ask: Ask, decision: Decision
    ) -> tuple[str, ...] | Repeated:
        """The limits that warn."""
        try:
            admitted = await self._ledger.admit(intent)
        except Unavailable:
            raise Refusal("unavailable", retry_after=1) from None
        if isinstance(admitted, Repeated):
            return admitted
        if isinstance(admitted, Refused):
            level = admitted.level
            detail = f"{level.target}:{level.unit}{f'/{level.per}' if level.per else ''}"
            decision = decision._replace(reason="limit-exceeded")
            evidence_id = self._deny(intent.id, in_force, caller, ask, decision, intent.run, detail)
            raise Refusal("limit-exceeded", evidence_id, retry_after=admitted.retry_after)
        return tuple(
            f"{level.target}: {level.unit}{f' per {level.per}' if level.per else ''}" for level in admitted.warned
        )

    async def _execute(self, intent: Intent, caller: Caller, call: Call, repeat: Repeat | None) -> Answer:
        """Return the answer of an admitted call. However it ends, it is settled once. Raises Refusal, CancelledError."""
        begun = time.monotonic()
        task = asyncio.create_task(self._pools.run(intent.id, call))
        running = Running(task, call.deadline, caller, call.target)
        self._underway.add(intent.id, running)
        answer, kept, cancelled, ended = None, None, None, _Ended("unknown", "cancelled")
        try:
            came = await running.result()
            self._hit("after_effect")
            secrets = self._pools.secrets(call.tenant)
            if came.size <= LARGE:
                answer = gate.passed(came, secrets)
            else:  # what was done is done, whoever goes away meanwhile
                ending = await to_its_end(in_thread(gate.passed, came, secrets))
                answer, cancelled = ending.result, ending.cancelled
            kept = repeat.seal(intent.id, answer) if repeat else None
            ended = _Ended("failure", "tool-failed") if answer.is_error else _Ended("success", status=answer.status)
        except BaseException as error:
            answer = None
            is_interrupted = not isinstance(error, Exception) and not task.done()
            if is_interrupted:
                await running.stop()  # whether it has had an effect is known when it has ended
            ended = _ended(error, running, call)
            if is_interrupted:
                raise
            if isinstance(error, ValuesRefused):
                unfit = (Unfit("arguments", str(error)),)
                raise Refusal("invalid-values", intent.id, unfit, outcome=ended.outcome) from None
            code = _SHOWN.get(ended.code, ended.code) or "internal-error"
            refusal = Refusal(code, intent.id, (), ended.retry_after, ended.outcome, ended.status)
            raise _because(refusal, error) from None
        finally:
            self._underway.remove(intent.id)
            took = round((time.monotonic() - begun) * 1000)
            rows, size = (answer.rows, answer.size) if answer else (None, 0)
            self._metrics.calls[ended.outcome] += 1
            if ended.status is not None:
                self._metrics.upstream[str(ended.status)] += 1
            digest = self.hashing.hash(answer.json) if answer else ""
            told = Outcome(intent.id, ended.outcome, rows, size, took, ended.code, kept, ended.status, digest)
            reached = call.effect or (ended.outcome != "blocked" and ended.code not in _UNREACHED)
            self._ledger.settle(told if reached else told._replace(charged=intent))
        if cancelled is not None:
            raise cancelled
        return answer


def _bound(target: Target, arguments: Mapping[str, Any], caller: Caller, said: gate.Labels) -> Bound:
    """Return the values of a call. Raises Refusal, NoClaim."""
    if wrong := tuple(gate.unfit(arguments, *said)):
        raise Refusal("invalid-values", unfit=wrong)
    bound = target.inputs.bind(arguments, caller.identity)
    if not isinstance(bound, Bound):
        raise Refusal("invalid-values", unfit=bound)
    return bound


def _because(refusal: Refusal, error: BaseException) -> Refusal:
    """Say what a statement reaches that it may not: it stands in the template, whatever the caller's values are."""
    if refusal.code == "statement-refused":
        refusal.detail = str(error)
    return refusal


def _subject(caller: Caller, target: Target) -> Subject | None:
    """Return whose token is exchanged for what is reached; None where that is nobody's matter."""
    ends = (caller.claims or {}).get("exp")
    if caller.token is None or not target.asks_token:
        return None
    return Subject(str(caller.token), float(ends) if isinstance(ends, int | float) else 0.0)


class _Ended(NamedTuple):
    outcome: str
    code: Code | Literal[""] = ""
    status: int | None = None
    retry_after: int | None = None


def _ended(error: BaseException, running: Running, call: Call) -> _Ended:
    """Return what a call came to that raised an error, whoever raised it."""
    after = "unknown" if call.effect and call.target.writes else ""
    if isinstance(error, Failed):
        outcome = error.outcome if error.outcome in _OUTCOMES else "unknown"
        return _Ended(outcome, error.code, error.status, error.retry_after)
    if isinstance(error, NotStrict):
        return _Ended(after or "failure", "unreadable-result")
    if isinstance(error, asyncio.CancelledError):
        code: Code = running.ended or "cancelled"
        return _Ended(after or _ENDED[code], code)
    return _Ended(after or "failure", "internal-error")


def _again(repeated: Repeated, repeat: Repeat | None) -> Done:
    """What a call with the same key came to. Raises Refusal."""
    if repeated.state == "done":
        answer = repeat.opened(repeated.id, repeated.kept) if repeat and repeated.kept else None
        if answer is None:
            raise Refusal("result-not-kept", repeated.id, outcome="success")
        return Done(repeated.id, answer, replayed=True)
    if repeated.state == "running":
        raise Refusal("still-running", repeated.id, retry_after=1)
    if repeated.state == "reused":
        raise Refusal("key-reused", repeated.id)
    raise Refusal("outcome-unknown", repeated.id, outcome="unknown")


def _generation(in_force: InForce, decision: Decision) -> int:
    """Of the project that owns the target."""
    owner = decision.chain[0].known.project if decision.chain else None
    return in_force.snapshot.generations.get(owner or "", 0)

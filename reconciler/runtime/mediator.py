"""The one choke point: who asks for what with which values, turned into a decided, limited, recorded call, or into a refusal."""

from __future__ import annotations

import asyncio
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from reconciler.access.decide import Ask, Decision, decide, subject_of, tool_of, tools, tools_of
from reconciler.access.rule import Subject
from reconciler.access.snapshot import Resource, Tenant
from reconciler.access.values import Identity, NoClaim, Unfit, values_of
from reconciler.error_codes import Code
from reconciler.failpoints import hit
from reconciler.model.body import canonical
from reconciler.model.status import Freeze, Status
from reconciler.runtime.call import Answer, Call, Failed
from reconciler.runtime.identity import Caller
from reconciler.runtime.ledger.entries import Denial, Intent, Outcome, Refused, Repeated, new_id
from reconciler.runtime.ledger.ledger import Ledger, Unavailable
from reconciler.runtime.limits import declared, levels_of, status_of
from reconciler.runtime.metrics import Metrics
from reconciler.runtime.pools import Pools
from reconciler.runtime.repeats import Repeat
from reconciler.runtime.source import InForce, Source, Stale

SLACK_SECONDS = 5.0
"""Beyond a call's own bound: what is left to be written down when it ends at the last moment."""


_TOOL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ENDED = {"frozen": "blocked", "timeout": "timeout", "cancelled": "failure"}
"""What came of a call that was ended from here, and has changed nothing."""


class Done(NamedTuple):
    """A call that succeeded."""

    evidence_id: str
    answer: Answer
    warned: tuple[str, ...] = ()
    replayed: bool = False
    """It was done before, for the same Idempotency-Key: this is what came of it then."""


class Refusal(Exception):
    """Why there is no result, as far as a caller may know: ``code`` is one of

    not-found (missing, foreign and denied look the same), invalid-values (``unfit`` says which), limit-exceeded
    (``retry_after`` in seconds), unavailable (evidence or what is in force), key-reused, still-running, outcome-unknown
    and result-not-kept (what became of the call that had the same Idempotency-Key, whose evidence is named), or a
    connector's own code, with ``outcome``.
    """

    def __init__(
        self,
        code: Code,
        evidence_id: str = "",
        unfit: tuple[Unfit, ...] = (),
        retry_after: int | None = None,
        outcome: str = "",
    ) -> None:
        super().__init__(code)
        self.code, self.evidence_id, self.unfit = code, evidence_id, unfit
        self.retry_after, self.outcome = retry_after, outcome


class _Running(Struct):
    task: asyncio.Task[Answer]
    caller: Caller
    chain: tuple[Resource, ...]
    frozen: bool = False
    late: bool = False

    def end_late(self) -> None:
        self.late = True
        self.task.cancel()


class Mediator:
    """``values_key`` is that of the hashes of values in evidence."""

    def __init__(self, source: Source, ledger: Ledger, pools: Pools, values_key: bytes, metrics: Metrics) -> None:
        self._source, self._ledger, self._pools, self._values_key = source, ledger, pools, values_key
        self._metrics = metrics
        self._running: dict[str, _Running] = {}

    async def access(
        self, caller: Caller, ask: Ask, arguments: Mapping[str, Any], run: str = "", key: str = ""
    ) -> Done:
        """A write with an Idempotency-Key is done once, and its result told again. Raises Refusal."""
        in_force = self._in_force()
        tenant = in_force.snapshot.tenant(caller.tenant)
        caller = _resolved(tenant, caller)
        decision = self._decide(in_force, tenant, caller, ask)
        evidence_id = new_id()
        if not decision.allowed:
            raise self._denied(evidence_id, in_force, caller, ask, decision)
        template = next(one for one in decision.chain if one.known.address.kind == "template")
        try:
            values = values_of(template, arguments, Identity(caller.name, caller.claims))
        except NoClaim:
            raise self._denied(evidence_id, in_force, caller, ask, decision._replace(reason="claim-missing")) from None
        if isinstance(values, tuple):
            self._deny(evidence_id, in_force, caller, ask, decision._replace(reason="invalid-values"))
            raise Refusal("invalid-values", evidence_id, unfit=values)
        call = _call(caller.tenant, decision, template, values, arguments)
        intent = self._intent(evidence_id, in_force, tenant, caller, ask, decision, call, run)
        repeat = None
        if key and _may_write(call):
            repeat = Repeat(self._values_key, caller.tenant, caller.name, key)
            intent = intent._replace(repeat=repeat.digest)
        admitted = await self._admit(intent, in_force, caller, ask, decision)
        if isinstance(admitted, Repeated):
            self._deny(evidence_id, in_force, caller, ask, decision._replace(reason=f"repeated:{admitted.id}"))
            return _again(admitted, repeat)
        answer = await self._execute(intent, caller, decision, call, repeat)
        return Done(evidence_id, answer, admitted)

    def tools(self, caller: Caller) -> dict[str, Resource]:
        """Exactly what the caller may call, by the names that agents see. Raises Refusal."""
        in_force = self._in_force()
        tenant = in_force.snapshot.tenant(caller.tenant)
        caller = _resolved(tenant, caller)
        subject = subject_of(tenant, caller.name, caller.roles)
        if isinstance(subject, str):
            return {}
        found = {}
        for name, target in tools_of(tenant, subject).items():
            decision = self._decide(in_force, tenant, caller, Ask(target))
            if decision.allowed:
                found[name] = decision.chain[0]
        return found

    async def limits(self, tenant: str, caller: str | None = None) -> list[dict[str, Any]]:
        """What is used of a tenant's limits, or of those that are about one caller. Raises Refusal."""
        levels = declared(self._in_force().snapshot.tenant(tenant), caller)
        try:
            return status_of(levels, await self._ledger.used(levels)) if levels else []
        except Unavailable:
            raise Refusal("unavailable", retry_after=1) from None

    def target_of(self, caller: Caller, tool: str) -> str:
        """The target behind the name that agents see; of what is not there, one that is not there either."""
        found = tools(self._in_force().snapshot.tenant(caller.tenant)).get(tool)
        # what an agent makes up may be anything, and goes into evidence
        return found or f"tool/{tool if _TOOL.fullmatch(tool) else '?'}"

    def cancel_frozen(self, in_force: InForce) -> None:
        """Ends what runs and is frozen now."""
        for running in self._running.values():
            if frozen_by(in_force.status, running.caller, running.chain):
                running.frozen = True
                running.task.cancel()

    def _in_force(self) -> InForce:
        try:
            return self._source.current()
        except Stale:
            raise Refusal("unavailable", retry_after=1) from None

    def _decide(self, in_force: InForce, tenant: Tenant, caller: Caller, ask: Ask) -> Decision:
        try:
            subject: Subject | str = subject_of(tenant, caller.name, caller.roles)
            decision = Decision(False, subject) if isinstance(subject, str) else decide(tenant, subject, ask)
            if freeze := frozen_by(in_force.status, caller, decision.chain):
                return decision._replace(allowed=False, reason="frozen", policy=freeze.target)
            return decision
        except Exception:
            # a check that raises is no explicit allow
            return Decision(False, "check-failed")

    def _denied(self, evidence_id: str, in_force: InForce, caller: Caller, ask: Ask, decision: Decision) -> Refusal:
        self._deny(evidence_id, in_force, caller, ask, decision)
        return Refusal("not-found", evidence_id)

    def _deny(self, evidence_id: str, in_force: InForce, caller: Caller, ask: Ask, decision: Decision) -> None:
        generation = _generation(in_force, decision)
        target = _shown(ask)
        denial = Denial(
            evidence_id, caller.tenant, caller.name, target, decision.reason, decision.policy or "", generation
        )
        self._metrics.calls["denied"] += 1
        self._ledger.deny(denial)

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
    ) -> Intent:
        said = canonical([caller.tenant, _shown(ask), dict(call.values), call.body])
        return Intent(
            id=evidence_id,
            tenant=caller.tenant,
            caller=caller.name,
            run=run[:128],
            target=_shown(ask),
            connector=f"connector/{call.connector.known.address.name}",
            action=decision.action or "",
            values=hmac.digest(self._values_key, said.encode(), "sha256").hex(),
            policy=decision.policy or "",
            generation=_generation(in_force, decision),
            drifted=decision.drifted,
            seconds=call.deadline - asyncio.get_running_loop().time() + SLACK_SECONDS,
            levels=levels_of(tenant, caller.name, decision),
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
            reason = f"limit:{level.target}:{level.unit}{f'/{level.per}' if level.per else ''}"
            self._deny(intent.id, in_force, caller, ask, decision._replace(reason=reason))
            raise Refusal("limit-exceeded", intent.id, retry_after=admitted.retry_after)
        return tuple(
            f"{level.target}: {level.unit}{f' per {level.per}' if level.per else ''}" for level in admitted.warned
        )

    async def _execute(
        self, intent: Intent, caller: Caller, decision: Decision, call: Call, repeat: Repeat | None
    ) -> Answer:
        begun = time.monotonic()

        def settle(outcome: str, answer: Answer | None = None, code: Code | Literal[""] = "") -> None:
            took = round((time.monotonic() - begun) * 1000)
            rows, size = (answer.rows, answer.size) if answer else (None, 0)
            self._metrics.calls[outcome] += 1
            kept = repeat.seal(intent.id, answer) if repeat and answer else None
            self._ledger.settle(Outcome(intent.id, outcome, rows, size, took, code, kept))

        task = asyncio.create_task(self._pools.run(intent.id, call))
        running = self._running[intent.id] = _Running(task, caller, decision.chain)
        timer = asyncio.get_running_loop().call_at(call.deadline, running.end_late)
        try:
            answer = await asyncio.shield(task)
            hit("after_effect")
        except Failed as error:
            settle(error.outcome, code=error.code)
            raise Refusal(error.code, intent.id, outcome=error.outcome) from None
        except asyncio.CancelledError:
            code: Code = "frozen" if running.frozen else "timeout" if running.late else "cancelled"
            outcome = "unknown" if call.effect and _may_write(call) else _ENDED[code]
            settle(outcome, code=code)
            if code != "cancelled":
                raise Refusal(code, intent.id, outcome=outcome) from None
            task.cancel()
            raise
        except Exception:
            settle("unknown" if call.effect else "failure", code="internal-error")
            raise Refusal("internal-error", intent.id, outcome="unknown" if call.effect else "failure") from None
        finally:
            timer.cancel()
            del self._running[intent.id]
        settle("success", answer)
        return answer


def _may_write(call: Call) -> bool:
    """Whatever a reviewer has called its action."""
    body = call.template.body
    return body.get("read_only") is not True and body.get("method") not in {"GET", "HEAD"}


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


def _resolved(tenant: Tenant, caller: Caller) -> Caller:
    """Return the caller with the resource that its name means in this snapshot; the call keeps it through a rename."""
    found = tenant.resource(f"caller/{caller.name}")
    return caller._replace(known=found.known if found else None)


def frozen_by(status: Status, caller: Caller, chain: Sequence[Resource]) -> Freeze | None:
    return status.freeze_of(caller.tenant, caller.known, caller.key, [one.known for one in chain], tool_of(chain))


def _shown(ask: Ask) -> str:
    return f"{ask.target}:{ask.action}" if ask.target.startswith("plane/") and ask.action else ask.target


def _generation(in_force: InForce, decision: Decision) -> int:
    """Of the project that owns the target."""
    owner = decision.chain[0].known.project if decision.chain else None
    return in_force.snapshot.generations.get(owner or "", 0)


def _call(
    tenant: str, decision: Decision, template: Resource, values: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Call:
    by_kind = {one.known.address.kind: one for one in decision.chain}
    connector = by_kind["connector"]
    bounds = [one.body.get("timeout_seconds") for one in (template, connector)]
    seconds = min([bound for bound in bounds if bound is not None], default=30)
    deadline = asyncio.get_running_loop().time() + seconds
    body = arguments.get("body") if template.body.get("body") is not None else None
    return Call(tenant, template, by_kind.get("datasource"), connector, values, deadline, body)

"""A model call under way: tried at one deployment after the other until one answers, then read to its end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias, cast

from msgspec import structs

from reconciler import strict_json
from reconciler.access.judge import Caller
from reconciler.runtime.call import REFUSING, Call, Failed
from reconciler.runtime.ledger.entries import Refused
from reconciler.runtime.ledger.ledger import Admitted, Unavailable
from reconciler.runtime.llm.candidates import Candidate
from reconciler.runtime.llm.choice import Cooldowns, counts, key_of
from reconciler.runtime.llm.headers import returned
from reconciler.runtime.llm.inspection import Blocked, Inspection, found_by
from reconciler.runtime.llm.policy import Policy, leaves_others, limit_refusal, try_of
from reconciler.runtime.llm.records import Record
from reconciler.runtime.llm.request import ModelRequest
from reconciler.runtime.llm.scrubbing import scrubbed
from reconciler.runtime.llm.streams import Streaming
from reconciler.runtime.llm.tries import Reader, Sender, TryFailed, begun, read_whole, sent
from reconciler.runtime.mediator import Mediator
from reconciler.runtime.results import Ended, Refusal, ended_by
from reconciler.runtime.tracing import error_word
from reconciler.runtime.underway import Running

WAIT_SECONDS, LONGEST_WAIT = 0.5, 10.0
"""Before the same deployment is asked again: doubled each time, or as long as the provider asks for, at most the latter."""


class Whole(NamedTuple):
    """An answer that is no stream, or the provider's own words about a failure."""

    evidence_id: str
    status: int
    headers: Mapping[str, str]
    body: bytes


Answered: TypeAlias = "Whole | Streaming"


class RunningCall:
    """One admitted call. ``answer`` settles it, or hands that on to the stream that it returns."""

    def __init__(
        self,
        mediator: Mediator,
        cooldowns: Cooldowns,
        record: Record,
        caller: Caller,
        request: ModelRequest,
        inspection: Inspection | None,
    ) -> None:
        self.mediator, self.record, self.request, self.inspection = mediator, record, request, inspection
        self._cooldowns, self._caller = cooldowns, caller
        self._held = contextlib.AsyncExitStack()
        self.secrets = mediator.pools.secrets(record.intent.tenant)

    async def answer(self, candidates: list[Candidate], policy: Policy) -> Whole | Streaming:
        """Return the answer of the first deployment that gives one. Raises Refusal, CancelledError."""
        loop = asyncio.get_running_loop()
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self.call = Call(candidates[0].way.target, {}, loop.time() + policy.seconds)
        self.running = Running(task, self.call.deadline, self._caller, self.call.target)
        self.mediator.underway.add(self.record.intent.id, self.running)
        try:
            found = await self._tries(candidates, policy)
        except BaseException as error:
            await self.release()
            raise self.failed(error) from None
        if isinstance(found, Whole):
            await self.release()
        return found

    async def _tries(self, candidates: list[Candidate], policy: Policy) -> Whole | Streaming:
        number, wait, queue = 0, WAIT_SECONDS, deque(candidates)
        while True:
            candidate = queue[0]
            if number and not await self._reserved(candidate, number + 1, len(queue) == 1):
                queue.popleft()
                continue
            number += 1
            queue.rotate(-1)
            try:
                return await self._try(candidate, policy)
            except TryFailed as failed:
                self._note(candidate, failed, policy)
                self.record.end_try(None, failed.is_free, failed.failed.code)
                await self.release()
                again = number < policy.attempts and self._may_help(failed, candidates, policy)
                if not again:
                    return self._given_up(failed)
                if number >= len(queue):
                    wait = min(LONGEST_WAIT, wait * 2 if number > len(queue) else wait)
                    pause = max(wait, float(failed.failed.retry_after or 0))
                    if pause > LONGEST_WAIT or asyncio.get_running_loop().time() + pause > self.call.deadline:
                        return self._given_up(failed)
                    await asyncio.sleep(pause)

    def _may_help(self, failed: TryFailed, candidates: list[Candidate], policy: Policy) -> bool:
        if failed.status is None or failed.status < 400:
            return failed.failed.outcome != "blocked" or len(candidates) > 1
        return failed.status in policy.statuses or (failed.status in REFUSING and len(candidates) > 1)

    async def _reserved(self, candidate: Candidate, number: int, is_last: bool) -> bool:
        """Make a later try durable, with what it may use; return whether it may be sent.

        Raises Refusal and Blocked where no other deployment is left that may do.
        """
        try:
            if self.inspection is not None:
                self.inspection.attempt(candidate.deployment.model, candidate.bound.cost if candidate.bound else None)
        except Blocked:
            if is_last:
                raise
            return False
        left = self.call.deadline - asyncio.get_running_loop().time()
        one = try_of(self.record, self.request, candidate, number, left)
        assert one.hold is not None
        try:
            answer = await self.mediator.ledger.reserve(one.hold)
        except Unavailable:
            raise Refusal("unavailable", retry_after=1) from None
        if isinstance(answer, Refused):
            if is_last or not leaves_others(answer, candidate):
                raise limit_refusal(answer, candidate)
            return False
        assert isinstance(answer, Admitted)
        self.record.begin(one)
        return True

    async def _try(self, candidate: Candidate, policy: Policy) -> Whole | Streaming:
        """Send one try. Raises TryFailed."""
        target = candidate.way.target
        self.running.target = self.call.target = target
        self.call.effect = False
        reader = Reader(self.request, target.connector.body.get("settle_cut") == "received")
        seconds = (
            policy.first_byte_seconds if self.request.is_stream else float(target.connector.body["timeout_seconds"])
        )
        using = self.mediator.pools.using(self.record.intent.id, self.record.intent.tenant, target.connector)
        try:
            async with asyncio.timeout(seconds):
                connection = cast(Sender, await self._held.enter_async_context(using))
                reply = await sent(connection, candidate.outgoing, self.call)
                headers = returned(reply.headers.items())
                if self.request.is_stream:
                    stream = await begun(reply, reader)
                    self._went_well(candidate)
                    return Streaming(self, reply, reader, stream, float(target.connector.body["timeout_seconds"]))
                data, body = await read_whole(reply, reader)
        except TimeoutError:
            raise TryFailed(Failed("timeout", "it took too long", "timeout"), is_free=not self.call.effect) from None
        except Failed as failed:  # the pool could not open a way
            raise TryFailed(failed, is_free=True) from None
        finally:
            self.record.reached = self.record.reached or self.call.effect
        self._went_well(candidate)
        return self._whole(data, body, headers, reader, reply.status)

    def _whole(self, data: bytes, body: object, headers: Mapping[str, str], reader: Reader, status: int) -> Whole:
        self.record.end_try(reader.usage)
        data, body = scrubbed(data, body, self.secrets)
        if self.inspection is not None and (seen := self.inspection.answer(body)) is not body:
            data = strict_json.write(seen)
        self.record.size = len(data)
        self.settle(Ended("success", status=status), self.mediator.hashing.hash(data))
        return Whole(self.record.intent.id, status, headers, data)

    def _given_up(self, failed: TryFailed) -> Whole:
        """Return what the provider said of its failure, where an agent may know. Raises Refusal otherwise."""
        one = failed.failed
        text = (failed.body or b"").decode(errors="replace")
        try:
            body = strict_json.read(text)
        except strict_json.NotStrict:
            body = None
        is_shown = isinstance(body, dict) and "error" in body and one.status is not None
        if not is_shown or one.status is None:
            raise one
        data = strict_json.write(self.secrets.value(body, keys=True))
        self.settle(Ended(one.outcome, one.code, one.status, one.retry_after))
        return Whole(self.record.intent.id, one.status, returned(failed.headers.items()), data)

    def _note(self, candidate: Candidate, failed: TryFailed, policy: Policy) -> None:
        """Tell breakers and cooldowns of a failed try. A request that a provider refuses says nothing of the provider."""
        status = failed.status
        self.mediator.breakers.note(candidate.way.target, failed.failed.code, status)
        if policy.failures and (status is None or status < 400 or counts(status)):
            self._cooldowns.failed(key_of(candidate.way), policy.failures, policy.cooldown_seconds)

    def _went_well(self, candidate: Candidate) -> None:
        self._cooldowns.succeeded(key_of(candidate.way))
        self.record.first = time.monotonic()

    # the end, which a stream comes to as well

    def failed(self, error: BaseException) -> BaseException:
        """Settle a call that failed, and return what its caller gets to see of that."""
        self.record.end_try(None, not self.call.effect, error_word(error))
        if isinstance(error, Blocked):
            ended = Ended("blocked", "content-blocked")
        elif isinstance(error, Refusal):
            ended = Ended("blocked" if not self.record.reached else "failure", error.code)
        else:
            ended = ended_by(error, self.running, self.call)
        self.settle(ended)
        if isinstance(error, asyncio.CancelledError) and not self.running.ended:
            return error
        if isinstance(error, asyncio.CancelledError) and (task := asyncio.current_task()) is not None:
            task.uncancel()
        refusal = error if isinstance(error, Refusal) else None
        if refusal is None:
            refusal = Refusal(ended.code or "internal-error", "", (), ended.retry_after, ended.outcome, ended.status)
        refusal.evidence_id = self.record.intent.id
        return refusal

    def settle(self, ended: Ended, output_hash: str = "") -> None:
        """Write how the call ended, once, and count it."""
        told = self.record.settle(ended, output_hash, found_by(self.inspection))
        if told is None:
            return
        mediator, target = self.mediator, self.call.target
        mediator.underway.remove(self.record.intent.id)
        mediator.metrics.ended(target.name.partition("/")[0], ended.outcome, time.monotonic() - self.record.begun)
        if ended.status is not None:
            mediator.metrics.upstream[str(ended.status)] += 1
        mediator.uses.note(target, ended.outcome)

    def forget_request(self) -> None:
        """Drop what was sent: an open stream needs none of it, and a prompt may be large."""
        body = {name: self.request.body[name] for name in ("stream_options",) if name in self.request.body}
        self.request = structs.replace(self.request, raw=b"", body=body)
        if (open_ := self.record.current) is not None:
            outgoing = open_.candidate.outgoing._replace(body=b"")
            self.record.current = open_._replace(candidate=open_.candidate._replace(outgoing=outgoing))

    async def release(self) -> None:
        """Give the connections back."""
        await self._held.aclose()

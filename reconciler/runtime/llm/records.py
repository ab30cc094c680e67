"""What is written down of a model call: what each try held and was billed, how the call ended, and what it used."""

from __future__ import annotations

import time
from typing import NamedTuple

from msgspec import Struct, field

from reconciler.codes import Code
from reconciler.runtime import tracing_calls
from reconciler.runtime.hashing import PartialHash
from reconciler.runtime.ledger.entries import Hold, Intent, Outcome
from reconciler.runtime.ledger.ledger import Ledger
from reconciler.runtime.llm import money
from reconciler.runtime.llm.accounts import Ending, Tried, usage_row
from reconciler.runtime.llm.candidates import Candidate
from reconciler.runtime.llm.expected import Expected
from reconciler.runtime.llm.request import Usage
from reconciler.runtime.results import Ended, with_found
from reconciler.runtime.tracing import UNTRACED, Part
from reconciler.runtime.tracing_model import Operation, model_call, used


class OpenTry(NamedTuple):
    """A try that is about to be sent. ``hold`` is None for a first one that no limit counts."""

    one: money.Try
    candidate: Candidate
    hold: Hold | None


class Record(Struct):
    """One call, from its intent to its outcome. Each try is settled once, and the call once."""

    ledger: Ledger
    expected: Expected
    intent: Intent
    route: str
    begun: float = field(default_factory=time.monotonic)
    first: float | None = None
    current: OpenTry | None = None
    tried: list[Tried] = []
    size: int = 0
    output: PartialHash | None = None
    """The hash of a stream, as far as it has left."""
    reached: bool = False
    """Whether any provider may have seen a byte."""
    warned: bool = False
    is_settled: bool = False
    operation: Operation = "chat"
    span: Part = UNTRACED

    def begin(self, one: OpenTry) -> None:
        """Note a try whose reservation is durable."""
        self.current = one
        self.span = model_call(self.operation, one.candidate.deployment)

    def end_try(self, usage: Usage | None, is_free: bool = False, code: str = "") -> None:
        """Settle the open try: by its usage, at zero where the provider bills nothing, else by all that it held."""
        open_, self.current = self.current, None
        if open_ is None:
            return
        one, candidate, hold = open_
        if self.span.span is not None:
            if usage is not None:
                used(self.span, self.operation, candidate.deployment, usage)
            self.span.span.end(code)
        price, settlement = candidate.facts.price, None
        if hold is not None:
            if usage is not None:
                settlement = money.billed(hold, usage, price)
            else:
                settlement = money.nothing(hold) if is_free else money.kept(hold)
            self.ledger.settle_try(settlement)
        if usage is not None and candidate.bound is not None:
            self.expected.note(self.intent.tenant, self.route, candidate.bound.size, usage.input)
        self.tried.append(Tried(one, settlement, usage, price, was_sent=not is_free))

    def settle(self, ended: Ended, output_hash: str = "", found: str = "") -> Outcome | None:
        """Write how the call ended, with what guardrails ``found``; None where it was written before."""
        if self.is_settled:
            return None
        self.is_settled = True
        took = round((time.monotonic() - self.begun) * 1000)
        code = with_found(ended.code, found)
        if self.output is not None and self.size:
            output_hash = self.output.hash()
        told = Outcome(self.intent.id, ended.outcome, None, self.size, took, code, None, ended.status, output_hash)
        self.ledger.settle(told if self.reached else told._replace(charged=self.intent))
        if self.tried:
            first = None if self.first is None else round((self.first - self.begun) * 1000)
            self.ledger.add_usage(
                usage_row(self.tried, Ending(took, first, self._result(ended.code, found), ended.code))
            )
        tracing_calls.ended(self.intent, "", told, took / 1000, self.operation)
        return told

    def _result(self, code: Code | str, found: str) -> str:
        return "blocked" if code == "content-blocked" else "warned" if self.warned or found else "allowed"

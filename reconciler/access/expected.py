"""``access_tests``: what somebody expects of policies, read from files, and held against a snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeAlias

from msgspec.structs import replace
from pydantic import Field, ValidationError, model_validator

from reconciler.access.decide import Decision
from reconciler.access.judge import Caller, Question, judge, surface
from reconciler.access.snapshot import Snapshot
from reconciler.errors import Place, Problem, Problems
from reconciler.kinds.rules import Fault, settle
from reconciler.kinds.schema import shown
from reconciler.kinds.wording import problem_of
from reconciler.load.secret_values import secret_problems
from reconciler.load.source import Source
from reconciler.model.access import Action, Role
from reconciler.model.address import is_name
from reconciler.model.fields import AnyReference, FreeJson, ItemSet, Name, ShortText
from reconciler.model.spec import Part
from reconciler.model.target import Bound

KEY = "access_tests"
TestName: TypeAlias = Annotated[str, Field(min_length=1, max_length=127, pattern=r"^[A-Za-z0-9][A-Za-z0-9_. -]*$")]


class Test(Part):
    """One expectation: of a call, or of all the tools that a caller sees."""

    caller: Name = Field(description="The caller's name.")
    roles: ItemSet[Role] = Field((), description="Roles that its token gives, besides its own.")
    claims: Annotated[dict[ShortText, FreeJson], Field(max_length=100)] = Field(
        default_factory=dict, description="What its token claims, for parameters that come `from` it."
    )
    target: AnyReference | None = Field(None, description="What it asks for: `template/NAME` or `plane/NAME`.")
    action: Action | None = Field(None, description="A plane's action. A template's follows from the template.")
    arguments: Annotated[dict[ShortText, FreeJson], Field(max_length=100)] | None = Field(
        None, description="The values of the call. Without them, only the decision is looked at."
    )
    expect: Literal["allow", "deny"] | None = Field(None, description="What is decided.")
    by: AnyReference | None = Field(None, description="The policy that decides it, as `policy/NAME`.")
    tools: ItemSet[ShortText] | None = Field(None, description="The tools that the caller sees: exactly these.")
    optional: bool = Field(False, description="Whether the caller, the target and the roles may be unknown.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        if (self.target is None) == (self.tools is None):
            yield Fault(("target",), "missing-field", "give either `target` and `expect`, or `tools`")
        for name in ("action", "arguments", "expect", "by"):
            if self.target is None and getattr(self, name) is not None:
                yield Fault((name,), "conflicting-fields", f"`{name}` goes with `target`")
        if self.target is not None and self.expect is None:
            yield Fault(("expect",), "missing-field", "`expect` is required beside `target`: allow or deny")


class Tests(Part):
    """What stands under `access_tests`."""

    access_tests: Annotated[dict[TestName, Test], Field(max_length=10_000)] = Field(
        description="What callers may do and may not, by names of your own; `reconciler access test` judges it."
    )


class Case(NamedTuple):
    """A test, the tenant that it is about, and where it stands: its place, and the document of a source."""

    name: str
    tenant: str
    test: Test
    place: Place
    source: Source
    document: int


class Verdict(NamedTuple):
    """``message`` says what came out; of a test that failed, what was expected as well. ``passed`` is None for a skipped test."""

    case: Case
    passed: bool | None
    message: str


def cases_of(source: Source, default_tenant: str | None, problems: Problems) -> Iterator[Case]:
    """Every test of a file, once for each of its document's tenants; documents without tests are manifests, and passed over."""
    for index, document in enumerate(source.documents):
        value = document.value
        if not isinstance(value, dict) or KEY not in value:
            continue
        raw = {KEY: value[KEY]}
        problems.found += secret_problems(source, document)
        try:
            tests = Tests.model_validate(raw)
        except ValidationError as error:
            for detail in error.errors(include_input=False, include_url=False):
                problem = replace(problem_of(Tests, raw, detail, ""), address=None)
                problems.add(source.locate(problem, index, problem.path, partial(shown, (Tests,), raw)))
            continue
        tenants = _tenants(value, default_tenant)
        if not tenants:
            hint = "add `tenant: NAME`, or `default_tenant` to reconciler.yaml"
            problems.add(
                Problem("missing-tenant", "these tests name no tenant", place=source.place(index, (KEY,)), hint=hint)
            )
        for tenant in tenants:
            for name, test in tests.access_tests.items():
                place = source.place(index, (KEY, name), on_key=True)
                yield Case(name, tenant, test, place, source, index)


def _tenants(document: Mapping[str, Any], default: str | None) -> list[str]:
    listed = document.get("tenants", [document.get("tenant", default)])
    return [name for name in listed if is_name(name)] if isinstance(listed, list) else []


def verdict_of(case: Case, snapshot: Snapshot) -> Verdict:
    """Hold a test against a snapshot. Freezes are not looked at: they are no part of files."""
    tenant, test = snapshot.tenant(case.tenant), case.test
    claims = test.claims if test.claims or test.arguments is not None else None
    question = Question(test.caller, test.target or "", test.action, tuple(test.roles), claims)
    caller = question.caller_in(tenant)
    if test.tools is not None:
        seen = sorted(surface(tenant, None, caller))
        return Verdict(case, seen == [*test.tools], _surface(test.caller, seen, test.tools))
    decision = judge(tenant, None, caller, question.ask)
    if decision.allowed and (unfit := _unfit(decision, caller, test)):
        return Verdict(case, False, f"the call is allowed, and its arguments are not taken: {unfit}")
    word = "allow" if decision.allowed else "deny"
    wrong_policy = test.by is not None and test.by != decision.policy
    passed = word == test.expect and not wrong_policy
    expected = "" if passed else f"; expected {test.expect}{f' by {test.by}' if test.by else ''}"
    return Verdict(case, passed, f"{word}: {said(decision)}{expected}")


def _unfit(decision: Decision, caller: Caller, test: Test) -> str:
    """What is wrong with the arguments, if the test gives any."""
    if decision.target is None or test.arguments is None:
        return ""
    bound = decision.target.inputs.bind(test.arguments, caller.identity)
    return "" if isinstance(bound, Bound) else "; ".join(f"{one.parameter}: {one.message}" for one in bound)


def said(decision: Decision) -> str:
    """Why, with the policy that decided."""
    return f"{decision.message}{f' ({decision.policy})' if decision.policy else ''}"


def _surface(caller: str, seen: list[str], expected: tuple[str, ...]) -> str:
    more, less = sorted({*seen} - {*expected}), sorted({*expected} - {*seen})
    if not more and not less:
        return f"{caller} sees {', '.join(seen) or 'no tools'}"
    told = [f"sees {', '.join(more)} as well"] if more else []
    told += [f"does not see {', '.join(less)}"] if less else []
    return f"{caller} {' and '.join(told)}"

"""The kind `limit`: how much a tenant, or one resource, may use in a period or at once."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from reconciler.errors import Problem
from reconciler.kinds.nearest import nearest
from reconciler.kinds.rules import GIVEN, Case, Fault, by_cases, settle
from reconciler.kinds.table import KINDS, can, kinds_that
from reconciler.model.address import BARE_NAME, Address, is_name
from reconciler.model.body import Body
from reconciler.model.fields import Amount, Form, FormLater, fail
from reconciler.model.integers import SAFE_INTEGER
from reconciler.model.kind import Ability, Kind, Lookup, RefField
from reconciler.model.resource import Resource
from reconciler.model.risk import BodyJudge, JudgedTogether
from reconciler.model.spec import Spec
from reconciler.model.target import PARTS, is_part

TENANT = "tenant"
LONGEST = 127
_AMOUNTS = ("requests", "tokens", "cost_usd")


def _target(text: str) -> str:
    if text == TENANT:
        return text
    kind, _, name = text.partition("/")
    if kind not in PARTS and len(text) > LONGEST:
        raise fail("too-long", f"expected at most {LONGEST} characters")
    name, _, part = name.partition("/") if kind in PARTS else (name, "", "-")
    if not (is_name(kind) and is_name(name) and is_part(part)):
        raise fail("invalid-reference", "expected `tenant`, or kind/name such as integration/openai-prod")
    return text


def _check(resource: Resource, lookup: Lookup) -> Iterator[Problem]:
    """Judge a limit's target, here and not in the spec, so that a circle of limits is reported as one too."""
    kind, _, name = resource.body["target"].partition("/")
    if kind in PARTS:
        yield from _part_faults(resource.address, kind, name, lookup)
    elif kind in KINDS and not can(kind, Ability.LIMITABLE):
        hint = f"limit the tenant, or one of {', '.join(kinds_that(Ability.LIMITABLE))}"
        yield Problem("invalid-target", f"a {kind} can't be the target of a limit", path=("target",), hint=hint)


def _part_faults(address: Address, word: str, named: str, lookup: Lookup) -> Iterator[Problem]:
    """Yield what is wrong with a limit on a part of a resource; one that is missing or external is judged elsewhere."""
    name, _, part = named.partition("/")
    whole = lookup(Address(address.tenant, PARTS[word], name))
    calls = KINDS[PARTS[word]].calls
    known = (
        [*calls.parts(whole.body)] if whole is not None and calls is not None and calls.parts is not None else [part]
    )
    if part not in known:
        meant = nearest(part, known)
        hint = f"did you mean `{word}/{name}/{meant}`?" if meant else f"declare it at {PARTS[word]}/{name}"
        yield Problem("invalid-target", f"there is no {word}/{name}/{part}", str(address), ("target",), hint=hint)


def _form() -> Form:
    limitable = kinds_that(Ability.LIMITABLE)
    parts = rf"(?:{'|'.join(PARTS)})/{BARE_NAME}/[A-Za-z0-9_./-]+"
    pattern = rf"^(?:{TENANT}|(?:{'|'.join(limitable)})/{BARE_NAME}|{parts})$"
    return Form("target", pattern, f"expected `{TENANT}`, or one of {', '.join(limitable)} with its name: kind/name")


Target: TypeAlias = Annotated[str, Field(max_length=255), AfterValidator(_target), FormLater(_form)]
_JUDGED = JudgedTogether(("limit-raised", "limit-lowered"))


class Limit(Spec):
    """An amount per period, or a number at once."""

    target: Annotated[Target, _JUDGED] = Field(
        description="What is limited: `tenant` for everything that the tenant does, or kind/name, "
        "e.g. `integration/openai-prod`, or `tool/CONNECTOR/TOOL`."
    )
    per: Annotated[Literal["second", "minute", "hour", "day", "month"] | None, _JUDGED] = Field(
        None, description="The period that amounts are counted in, as a fixed window in UTC. `concurrent` has none."
    )
    requests: Annotated[Annotated[int, Field(ge=0, le=SAFE_INTEGER)] | None, _JUDGED] = Field(
        None, description="How many requests are allowed in one period. 0 allows none."
    )
    tokens: Annotated[Annotated[int, Field(ge=0, le=SAFE_INTEGER)] | None, _JUDGED] = Field(
        None, description="How many tokens, in and out together, are allowed in one period."
    )
    cost_usd: Annotated[Amount | None, _JUDGED] = Field(
        None, description="How much may be spent in one period, in US dollars, e.g. `2500.00`."
    )
    concurrent: Annotated[Annotated[int, Field(ge=0, le=1_000_000)] | None, _JUDGED] = Field(
        None, description="How many requests may run at the same time. A limit has either this or `per`."
    )
    on_exceed: Annotated[Literal["block", "warn"], _JUDGED] = Field(
        "block",
        description="What happens above the limit: `block` (the default) refuses, `warn` lets it pass and says so.",
    )

    reserve: Annotated[Literal["worst", "expected"] | None, _JUDGED] = Field(
        None,
        description="What a call of a model reserves of `tokens` and `cost_usd` until it ends: the most that it can use (`worst`, the "
        "default), or what calls have used lately (`expected`), so that calls in flight may go above the limit.",
    )

    cases: ClassVar = (
        Case(
            {"concurrent": (GIVEN,)},
            barred=("per", *_AMOUNTS),
            says="`{name}` and `concurrent` exclude each other; write two limits",
        ),
        Case(
            some=("per", "concurrent"),
            says="`per` is required: second, minute, hour, day or month (or give `concurrent` alone)",
        ),
        Case(
            {"concurrent": (None,), "per": (GIVEN,)},
            some=_AMOUNTS,
            says="a limit needs at least one of `requests`, `tokens` and `cost_usd`",
        ),
        Case(
            {"tokens": (None,), "cost_usd": (None,)},
            barred=("reserve",),
            says="`reserve` has no meaning without `tokens` and `cost_usd`",
        ),
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        yield from by_cases(self, self.cases)
        amounts = [name for name in _AMOUNTS if getattr(self, name) is not None]
        if self.target != TENANT and not can(self.target.partition("/")[0], Ability.METERED):
            for name in amounts:
                if name != "requests":
                    metered = [KINDS[kind].plural for kind in kinds_that(Ability.METERED)]
                    message = f"`{name}` is counted for {', '.join(metered)} and the tenant only"
                    yield Fault((name,), "conflicting-fields", message, "limit `requests` here")


_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "month": 30 * 86400}


def _risks(before: Body | None, after: Body | None) -> Iterator[str]:
    """Amounts are compared per second. What is not limited is unlimited, and so is what only warns, or another target."""
    if before is None or after is None:
        yield from () if after else ("limit-raised",)
        return
    if before["target"] != after["target"]:
        yield from ("limit-raised", "limit-lowered")
        return
    for amount in ("requests", "tokens", "cost_usd", "concurrent"):
        old, new = _rate(before, amount), _rate(after, amount)
        if old != new:
            yield "limit-raised" if new is None or (old is not None and new > old) else "limit-lowered"
    if before.get("reserve") != after.get("reserve"):
        yield "limit-raised" if after.get("reserve") == "expected" else "limit-lowered"


def _rate(body: Body, amount: str) -> Decimal | None:
    value = body.get(amount)
    if value is None or body.get("on_exceed") == "warn":
        return None
    return Decimal(str(value)) / _SECONDS.get(body.get("per", ""), 1)


KIND = Kind(
    name="limit",
    plural="limits",
    summary="How much a tenant, or one resource, may use in a period or at once.",
    variants={"": Limit},
    references=(RefField(("target",), None, frozenset({TENANT})),),
    check=_check,
    judges=(BodyJudge(_JUDGED.names, _risks),),
    examples={"": "target: integration/openai\nper: month\ncost_usd: 2500.00"},
)

"""The kind `guardrail`: what is looked for in what agents send and get, and what happens where it is found."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from reconciler.kinds.pattern_shape import MOST_WIDTH, shape_of
from reconciler.kinds.policy import TargetPattern
from reconciler.kinds.rules import Case, Fault, by_cases, settle
from reconciler.kinds.template.pattern import LinearPattern, weight
from reconciler.model.body import Body
from reconciler.model.fields import Amount, ItemSet, Name, ShortText
from reconciler.model.kind import Ability, Kind
from reconciler.model.risk import BodyJudge, JudgedTogether, NoRisk
from reconciler.model.selector import TARGET, Selector
from reconciler.model.spec import Part, Spec

BUILTIN = ("aws_key", "credit_card", "email", "iban", "phone", "private_key", "us_ssn")
Builtin: TypeAlias = Literal["aws_key", "credit_card", "email", "iban", "phone", "private_key", "us_ssn"]
Phase: TypeAlias = Literal["input", "output"]
ACTIONS = ("warn", "redact", "block")
"""The weakest first."""
MOST_BYTES = 2**30
MOST_POSITIONS = 5_000
"""Of a pattern whose repetitions are written out: what an engine keeps in mind at each character."""
_JUDGED = JudgedTogether(("guardrail-removed",))
_OF_CHECK = NoRisk("judged as a part of the check")


class Targets(Part):
    """What the guardrail is about."""

    names: Annotated[Annotated[ItemSet[TargetPattern], Field(min_length=1)], _JUDGED] = Field(
        description="kind/name, e.g. `route/*` or `template/crm-*`, or `tool/CONNECTOR/TOOL`. A call that goes through one of them is "
        "inspected."
    )
    optional: Annotated[bool | None, NoRisk("it changes what validate reports, and no call")] = Field(
        None,
        description="True where names may select nothing, e.g. since another project declares what they are about.",
    )


class PatternCheck(Part):
    """Looks for texts of a certain form."""

    type: Annotated[Literal["pattern"], _OF_CHECK] = Field(description="Texts of a certain form.")
    builtin: Annotated[ItemSet[Builtin], _JUDGED] = Field(
        (), description="Forms that are known here, with their check digits where they have any."
    )
    patterns: Annotated[dict[Name, LinearPattern], Field(max_length=50), _JUDGED] = Field(
        default_factory=dict,
        description="Forms of your own, by names that evidence shows: regular expressions without back-references and look-around. "
        "For output their matches have to have a greatest length.",
    )

    cases: ClassVar = (
        Case(some=("builtin", "patterns"), says="this looks for nothing; give `builtin`, `patterns` or both"),
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        return settle(self, by_cases(self, self.cases))


class SizeCheck(Part):
    """Bounds the bytes of a request or an answer."""

    type: Annotated[Literal["size"], _OF_CHECK] = Field(description="More bytes than a bound.")
    max_bytes: Annotated[Annotated[int, Field(ge=1, le=MOST_BYTES)], _JUDGED] = Field(
        description="How many bytes the values of a call, or its answer, may have."
    )


class CostCheck(Part):
    """Bounds the cost of one call of a model."""

    type: Annotated[Literal["cost"], _OF_CHECK] = Field(description="One call that may cost more than a bound.")
    max_usd: Annotated[Amount, _JUDGED] = Field(description="How much one call may cost at most, in US dollars.")


class ModelsCheck(Part):
    """Bounds the models that may be asked for."""

    type: Annotated[Literal["models"], _OF_CHECK] = Field(description="A model that is not in a list.")
    allow: Annotated[Annotated[ItemSet[ShortText], Field(min_length=1)], _JUDGED] = Field(
        description="The models that may be asked for, by the providers' names; * stands for any text."
    )


Check: TypeAlias = Annotated[PatternCheck | SizeCheck | CostCheck | ModelsCheck, Field(discriminator="type")]


class Guardrail(Spec):
    """A check of what goes in and comes out, besides policies: those decide who may call, this looks at what is in a call."""

    targets: Targets = Field(description="Which calls are inspected.")
    phases: Annotated[Annotated[ItemSet[Phase], Field(min_length=1)], _JUDGED] = Field(
        description="What is inspected: what the agent sends (`input`), what it gets (`output`), or both."
    )
    check: Annotated[Check, _JUDGED] = Field(description="What is looked for.")
    action: Annotated[Literal["block", "warn", "redact"], _JUDGED] = Field(
        description="What happens where something is found: `block` refuses the call, `redact` puts [NAME] in its place, `warn` only "
        "records it."
    )
    priority: Annotated[
        Annotated[int, Field(ge=0, le=1000)], NoRisk("each guardrail is applied, whichever is first")
    ] = Field(100, description="The order of guardrails, the lowest number first. 100 by default.")
    enabled: Annotated[bool, _JUDGED] = Field(True, description="Whether it is applied.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        if self.action == "redact" and self.check.type != "pattern":
            message = f"nothing can be put in place of what the check `{self.check.type}` finds"
            yield Fault(("action",), "conflicting-fields", message, "choose `block` or `warn`")
        if isinstance(self.check, PatternCheck):
            yield from self._pattern_faults(self.check)
        if "output" in self.phases and self.check.type in {"cost", "models"}:
            message = f"the check `{self.check.type}` is about what is sent"
            yield Fault(("phases",), "conflicting-fields", message, "write `phases: [input]`")

    def _pattern_faults(self, check: PatternCheck) -> Iterator[Fault]:
        """Yield what stands against searching for the patterns: in streams, and in bounded memory."""
        for name, pattern in check.patterns.items():
            shape, at = shape_of(pattern), ("check", "pattern", "patterns", name)
            if shape.counts_wide or weight(pattern) > MOST_POSITIONS:
                message = "it counts repetitions of a class of most characters, or has too many of them"
                yield Fault(at, "invalid-pattern", message, "name the characters, as in [A-Z0-9]{8}")
            elif "output" in self.phases and (shape.width is None or shape.is_anchored):
                message = f"in output a match has {MOST_WIDTH} characters at most, and no ^ or $: it arrives in pieces"
                yield Fault(at, "invalid-pattern", message, "bound what is repeated, as in [0-9]{1,20}")


def _risks(before: Body | None, after: Body | None) -> Iterator[str]:
    """Find what is no longer inspected, or has a milder end. A guardrail that is switched off inspects nothing."""
    old, new = ({} if body is None or body["enabled"] is False else body for body in (before, after))
    if old and (not new or _is_weaker(old, new)):
        yield "guardrail-removed"


def _is_weaker(old: Body, new: Body) -> bool:
    lost = {*old["targets"]["names"]} - {*new["targets"]["names"]} or {*old["phases"]} - {*new["phases"]}
    milder = ACTIONS.index(new["action"]) < ACTIONS.index(old["action"])
    return bool(lost) or milder or _finds_less(old["check"], new["check"])


def _finds_less(old: dict[str, Any], new: dict[str, Any]) -> bool:
    if old["type"] != new["type"]:
        return True
    if old["type"] == "pattern":
        patterns = {*old["patterns"].items()} - {*new["patterns"].items()}
        return bool({*old["builtin"]} - {*new["builtin"]} or patterns)
    if old["type"] == "models":
        return bool({*new["allow"]} - {*old["allow"]})
    bound = "max_bytes" if old["type"] == "size" else "max_usd"
    return Decimal(str(new[bound])) > Decimal(str(old[bound]))


def _selects(body: Body) -> Iterator[Selector]:
    for name in body["targets"]["names"]:
        yield Selector(("targets", "names"), TARGET, name, bool(body["targets"].get("optional")))


KIND = Kind(
    name="guardrail",
    plural="guardrails",
    summary="What is looked for in what agents send and get, and what happens where it is found.",
    variants={"": Guardrail},
    selects=_selects,
    judges=(BodyJudge(_JUDGED.names, _risks),),
    abilities=frozenset({Ability.LISTED}),
    examples={
        "": "targets: {names: [route/*, integration/*]}\nphases: [input, output]\n"
        "check: {type: pattern, builtin: [credit_card, iban]}\naction: redact"
    },
)

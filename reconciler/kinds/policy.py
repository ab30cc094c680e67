"""The kind `policy`: what callers may do with what, or must not. Deny wins; nothing is allowed that no policy allows."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from reconciler.kinds.rules import Case, by_cases, settle
from reconciler.kinds.table import can, kinds_that, words_that
from reconciler.model.access import Action, Classification, Role
from reconciler.model.approval import DECIDE_MINUTES, USE_MINUTES
from reconciler.model.body import Body
from reconciler.model.days import Day
from reconciler.model.fields import Form, FormLater, ItemSet, Labels, fail
from reconciler.model.judges import grown, leaves_value, raised, vanishes
from reconciler.model.kind import Ability, Kind
from reconciler.model.risk import BY_ACCESS, NoRisk, Risk
from reconciler.model.selector import (
    ACTION,
    ALLOWED_CLASS,
    ALLOWED_LABEL,
    ALLOWED_TARGET,
    CALLER,
    CALLER_LABEL,
    DENIED_CLASS,
    ROLE,
    TARGET,
    TARGET_LABEL,
    Selector,
    label,
)
from reconciler.model.spec import Part, Spec
from reconciler.model.target import PARTS


def _form(value: Any) -> str:
    return "text" if isinstance(value, str) else "list" if isinstance(value, list | tuple) else "map"


_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-*?")
_PART_LETTERS = _LETTERS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_./")


def _caller(text: str) -> str:
    if not _LETTERS.issuperset(text):
        raise fail("invalid-pattern", "expected a caller's name; * stands for any text and ? for one letter")
    return text


def _target(text: str) -> str:
    kind, _, name = text.partition("/")
    letters = _PART_LETTERS if kind in PARTS else _LETTERS
    if not name or not letters.issuperset(name) or not (kind in {"*", *PARTS} or can(kind, Ability.NAMEABLE)):
        raise fail(
            "invalid-pattern",
            f"expected kind/name, e.g. template/sales-* or tool/tickets/*; the kind is * or one of "
            f"{', '.join(words_that(Ability.NAMEABLE))}, and in the name * stands for any text and ? for one letter",
        )
    return text


def _form_of_targets() -> Form:
    kinds, parts = "|".join(kinds_that(Ability.NAMEABLE)), "|".join(PARTS)
    pattern = rf"^(?:(?:\*|{kinds})/[a-z0-9*?-]+|(?:{parts})/[A-Za-z0-9_./*?-]+)$"
    return Form("target_pattern", pattern, "expected kind/name, such as template/sales-*, or tool/CONNECTOR/TOOL")


TargetPattern: TypeAlias = Annotated[
    str, Field(min_length=3, max_length=255), AfterValidator(_target), FormLater(_form_of_targets)
]
CallerPattern: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=63),
    AfterValidator(_caller),
    Form("caller_pattern", "^[a-z0-9*?-]+$", "expected a caller's name; * and ? are patterns"),
]


_OPTIONAL = "True where names and words may select nothing, e.g. since another project declares what they are about."
_Optional: TypeAlias = Annotated[bool | None, NoRisk("it changes what validate reports, and no decision")]


_NOTHING = "this fits nothing; write `any` where everything is meant"


class Subjects(Part):
    """The callers that the policy is about: all that is given has to fit, and of a list one item."""

    callers: Annotated[ItemSet[CallerPattern], BY_ACCESS] = Field(
        (), description="Names of callers, with * and ? as patterns."
    )
    roles: Annotated[ItemSet[Role], BY_ACCESS] = Field((), description="Roles; a caller has to have one of them.")
    labels: Annotated[Labels, BY_ACCESS] = Field(
        default_factory=dict, description="Labels; a caller has to have all of them."
    )
    optional: _Optional = Field(None, description=_OPTIONAL)

    cases: ClassVar = (Case(some=("callers", "roles", "labels"), says=_NOTHING),)

    @model_validator(mode="after")
    def _some(self) -> Self:
        return settle(self, by_cases(self, self.cases))


class Targets(Part):
    """What the policy is about: all that is given has to fit, and of a list one item."""

    names: Annotated[ItemSet[TargetPattern], BY_ACCESS] = Field(
        (), description="kind/name, e.g. `template/sales-*`, or `tool/CONNECTOR/TOOL`."
    )
    labels: Annotated[Labels, BY_ACCESS] = Field(
        default_factory=dict, description="Labels; the target has to have all of them."
    )
    classification: Annotated[ItemSet[Classification], BY_ACCESS] = Field(
        (),
        description="How sensitive the data is that the call reads. Data without a classification fits every deny, and no allow.",
    )
    optional: _Optional = Field(None, description=_OPTIONAL)

    cases: ClassVar = (Case(some=("names", "labels", "classification"), says=_NOTHING),)

    @model_validator(mode="after")
    def _some(self) -> Self:
        return settle(self, by_cases(self, self.cases))


Any_: TypeAlias = Annotated[Literal["any"], Tag("text")]
SubjectsOrAny: TypeAlias = Annotated[Any_ | Annotated[Subjects, Tag("map")], Discriminator(_form)]
TargetsOrAny: TypeAlias = Annotated[Any_ | Annotated[Targets, Tag("map")], Discriminator(_form)]
ActionsOrAny: TypeAlias = Annotated[
    Any_ | Annotated[Annotated[ItemSet[Action], Field(min_length=1)], Tag("list")], Discriminator(_form)
]


_REMOVED = "approval-removed"
_Minutes: TypeAlias = Annotated[int, Field(ge=1, le=10_080), Risk(_REMOVED, by=raised)]


class ApprovalTerms(Part):
    """Who approves a call before it runs, until when, and how long the decision counts."""

    roles: Annotated[Annotated[ItemSet[Role], Field(min_length=1)], Risk(_REMOVED, by=grown(empty_is_all=True))] = (
        Field(description="Roles of operators; whoever decides has one of them.")
    )
    decide_within_minutes: _Minutes = Field(
        DECIDE_MINUTES, description="How long a call waits for a decision. 60 minutes by default."
    )
    use_within_minutes: _Minutes = Field(
        USE_MINUTES, description="How long after the decision the call may run. 15 minutes by default."
    )
    four_eyes: Annotated[bool, Risk(_REMOVED, by=leaves_value(True))] = Field(
        False,
        description="True takes only deciders whom a token of an issuer proves, so that no shared token stands in for a "
        "second person.",
    )


class Policy(Spec):
    """Allows or denies; there are no conditions and no code, and order never matters."""

    effect: Annotated[Literal["allow", "deny"], BY_ACCESS] = Field(
        description="`allow` is judged by what the caller names; `deny` by everything that stands behind it, and wins."
    )
    subjects: Annotated[SubjectsOrAny, BY_ACCESS] = Field(
        description="Which callers: `any`, or a map of `callers`, `roles` and `labels`."
    )
    actions: Annotated[ActionsOrAny, BY_ACCESS] = Field(description="What they do with it: `any`, or a list.")
    targets: Annotated[TargetsOrAny, BY_ACCESS] = Field(
        description="With what: `any`, or a map of `names`, `labels` and `classification`."
    )
    approval: Annotated[ApprovalTerms | None, Risk(_REMOVED, by=vanishes), BY_ACCESS] = Field(
        None,
        description="Only with `effect: allow`: each call waits until an operator approves it, and then runs once. Where another "
        "policy allows the same call without approval, it runs at once.",
    )
    until: Annotated[Day | None, BY_ACCESS] = Field(
        None,
        description="Only with `effect: allow`: the last day on which it counts, in UTC, e.g. 2026-12-31. From the next day on it allows "
        "nothing, without an apply.",
    )
    optional: _Optional = Field(None, description=_OPTIONAL)

    cases: ClassVar = (Case({"effect": ("deny",)}, "on a deny", barred=("approval", "until")),)

    @model_validator(mode="after")
    def _only_allowed(self) -> Self:
        return settle(self, by_cases(self, self.cases))


def _selects(body: Body) -> Iterator[Selector]:
    """Every name and word of a policy."""
    whole = bool(body.get("optional"))
    subjects, targets = (body[key] if isinstance(body[key], dict) else {} for key in ("subjects", "targets"))
    is_allow = body["effect"] == "allow"
    names, classes, of_target = (
        (ALLOWED_TARGET, ALLOWED_CLASS, ALLOWED_LABEL) if is_allow else (TARGET, DENIED_CLASS, TARGET_LABEL)
    )
    lists = (
        ("subjects", subjects, (("callers", CALLER), ("roles", ROLE)), CALLER_LABEL),
        ("targets", targets, (("names", names), ("classification", classes)), of_target),
    )
    for key, part, nouns, of_labels in lists:
        optional = whole or bool(part.get("optional"))
        for field, noun in nouns:
            for text in part.get(field) or ():
                yield Selector((key, field), noun, text, optional)
        for name, value in (part.get("labels") or {}).items():
            yield Selector((key, "labels", name), of_labels, label(name, value), optional)
    for action in body["actions"] if body["actions"] != "any" else ():
        yield Selector(("actions",), ACTION, action, whole)


KIND = Kind(
    name="policy",
    plural="policies",
    summary="What callers may do with what, or must not.",
    variants={"": Policy},
    selects=_selects,
    abilities=frozenset({Ability.LISTED}),
    examples={
        "": "effect: allow\nsubjects: {roles: [analyst]}\nactions: [query, retrieve]\ntargets: {names: [template/*]}"
    },
)

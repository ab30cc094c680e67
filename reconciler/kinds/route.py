"""The kind `route`: the names of models that agents use, and the deployments that answer."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from reconciler.errors import Problem
from reconciler.kinds.model_target import INTEGRATION, ROUTE_CALLS, has_model, offers
from reconciler.kinds.nearest import near
from reconciler.kinds.rules import Cap, Fault, Seconds, settle
from reconciler.kinds.selectors import shared_with
from reconciler.model.access import CLASSIFICATIONS, Classification, Description, SharedWith
from reconciler.model.address import Address
from reconciler.model.fields import Items, ItemSet, Name, ShortText
from reconciler.model.judges import sinks
from reconciler.model.kind import Ability, Kind, Lookup, RefField
from reconciler.model.resource import Resource
from reconciler.model.risk import BY_ACCESS, NoRisk, Risk
from reconciler.model.spec import Part, Spec

Status: TypeAlias = Annotated[int, Field(ge=400, le=599)]
RETRIED = (429, 500, 502, 503, 504, 529)
"""Statuses after which another deployment may answer. 529 is Anthropic's for an API that is overloaded."""
MOST_TOKENS = 100_000_000
_ROUTED = Risk("route-changed")


class Deployment(Part):
    """One integration and one of its models."""

    integration: Annotated[Name, _ROUTED] = Field(description="The integration that is called.")
    model: Annotated[ShortText, _ROUTED] = Field(description="The model, by the provider's name of it.")
    weight: Annotated[Annotated[int, Field(ge=1, le=1000)] | None, _ROUTED] = Field(
        None, description="Its share of the calls, with `strategy: weighted` only. 1 without it."
    )


class Retry(Part):
    """When a call that failed is made again, at the next deployment."""

    attempts: Annotated[
        Annotated[int, Field(ge=1, le=10)], NoRisk("more tries reach no deployment that the route lacks")
    ] = Field(2, description="How many tries a call has in all. 2 by default.")
    statuses: Annotated[ItemSet[Status], NoRisk("more tries reach no deployment that the route lacks")] = Field(
        RETRIED, description="The statuses of a provider after which there is another try."
    )


class Cooldown(Part):
    """When a deployment that fails is left out for a while."""

    failures: Annotated[Annotated[int, Field(ge=1, le=1000)], NoRisk("it chooses among the same deployments")] = Field(
        3, description="How many failures, one after the other, take a deployment out. 3 by default."
    )
    seconds: Annotated[Seconds, NoRisk("it chooses among the same deployments")] = Field(
        30, description="For how long it is left out. 30 seconds by default."
    )


class Route(Spec):
    """Names of models, and what answers."""

    description: Description = ""
    models: Annotated[Annotated[ItemSet[ShortText], Field(min_length=1, max_length=100)], _ROUTED] = Field(
        description="The names that agents send as `model`; each stands for one route of the tenant."
    )
    strategy: Annotated[Literal["priority", "weighted"], _ROUTED] = Field(
        "priority",
        description="Which deployment is tried first: the first that is well (`priority`, the default), or one by its share "
        "of the calls (`weighted`).",
    )
    deployments: Annotated[Annotated[Items[Deployment], Field(min_length=1, max_length=50)], _ROUTED, BY_ACCESS] = (
        Field(description="What may answer. A caller's calls go to those only whose integration no policy denies it.")
    )
    retry: Retry = Field(default_factory=Retry, description="When a call that failed is made again.")
    first_byte_seconds: Annotated[Seconds, NoRisk("waiting longer reaches nothing more")] = Field(
        30, description="How long a stream may take to begin, in seconds, before another deployment is tried."
    )
    timeout_seconds: Annotated[Seconds, NoRisk("a call that may take longer reaches nothing more")] = Field(
        600, description="How long all tries of a call may take together, in seconds (1 to 3600)."
    )
    cooldown: Cooldown = Field(default_factory=Cooldown, description="When a deployment is left out for a while.")
    affinity: Annotated[Literal["none", "caller", "session"], NoRisk("it chooses among the same deployments")] = Field(
        "none",
        description="What keeps to one deployment, so that its cache of prompts is used: each `caller`, each `session` "
        "(`prompt_cache_key`, `X-Run-Id`, `metadata.user_id`), or nothing.",
    )
    max_output_tokens: Cap[Annotated[int, Field(ge=1, le=MOST_TOKENS)] | None] = Field(
        None, description="How many tokens of output a call may ask for; one that names no bound gets this one."
    )
    classification: Annotated[
        Classification | None, BY_ACCESS, Risk("access-widened", by=sinks(CLASSIFICATIONS[::-1]))
    ] = Field(
        None, description="The most sensitive data that may be sent, where that is less than its integrations say."
    )
    enabled: Annotated[bool, BY_ACCESS] = Field(True, description="Whether the route may be used.")
    shared_with: Annotated[SharedWith | None, BY_ACCESS] = Field(
        None, description="Projects whose policies may allow this, besides those of the project that declares it."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        counts = Counter((one.integration, one.model) for one in self.deployments)
        seen = set[tuple[str, str]]()
        for index, one in enumerate(self.deployments):
            key = (one.integration, one.model)
            if counts[key] > 1 and key in seen:
                message = "this deployment stands in the list before; give it a `weight` instead"
                yield Fault(("deployments", index), "duplicate-item", message)
            seen.add(key)
            if one.weight is not None and self.strategy != "weighted":
                message = "`weight` has no meaning without `strategy: weighted`"
                yield Fault(("deployments", index, "weight"), "conflicting-fields", message)


def _check(resource: Resource, lookup: Lookup) -> Iterator[Problem]:
    """Judge a route by the integrations of its tenant: what they may be asked for, and what their names mean."""
    at, body = resource.address, resource.body
    for index, name in enumerate(body["models"]):
        integration, slash, model = name.partition("/")
        if slash and lookup(Address(at.tenant, INTEGRATION, integration)) is not None:
            message = f"this name stands for the model {model} of integration/{integration}; choose another"
            yield Problem("duplicate-value", message, str(at), ("models", index))
    for index, one in enumerate(body["deployments"]):
        found = lookup(Address(at.tenant, INTEGRATION, one["integration"]))
        if found is None:
            continue
        if not has_model(found.body, one["model"]):
            message = f"{found.address} may not be asked for this model"
            hint = near(one["model"], found.body["models"])
            yield Problem("unknown-model", message, str(at), ("deployments", index, "model"), hint=hint)
        most, own = found.body.get("classification"), body.get("classification")
        if most and own and CLASSIFICATIONS.index(own) > CLASSIFICATIONS.index(most):
            message = f"{found.address} may be sent data that is {most} at most"
            yield Problem("conflicting-fields", message, str(at), ("classification",))


KIND = Kind(
    name="route",
    plural="routes",
    summary="Names of models that agents use, and the deployments that answer.",
    variants={"": Route},
    references=(RefField(("deployments", "*", "integration"), INTEGRATION),),
    check=_check,
    unique=("models",),
    selects=shared_with,
    offers=offers,
    calls=ROUTE_CALLS,
    abilities=frozenset(
        {Ability.FREEZABLE, Ability.SUSPENDABLE, Ability.LIMITABLE, Ability.METERED, Ability.NAMEABLE, Ability.LISTED}
    ),
    examples={"": "models: [fast]\ndeployments:\n- {integration: openai, model: gpt-5-mini}"},
)

"""What all providers of language models have in common, as the spec of an integration."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from reconciler.kinds.checking import HealthChecks
from reconciler.kinds.nearest import near
from reconciler.kinds.rules import Fault, Retries, Seconds, settle
from reconciler.model.access import CLASSIFICATIONS, Classification, ForAgents
from reconciler.model.fields import BaseUrl, ItemSet, Secret, ShortText
from reconciler.model.judges import grown, leaves_value, sinks, takes_value
from reconciler.model.risk import BY_ACCESS, NoRisk, Risk
from reconciler.model.spec import Spec

BodyField: TypeAlias = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.:*-]+$")]
"""A field of a request's body, the type of a tool, or the value of a header, by the name that the provider gives it."""

CREDENTIAL = "A reference to the API key, e.g. `vault://kv/acme/openai#api_key`. The key itself is refused."
CREDENTIAL_OPTIONAL = "A reference to the key, if the provider needs one. Without it, "
BASE_URL = "Where requests go, without the path of an operation, e.g. `https://models.example.com/v1`."
CONFIG = "Options of this provider; others are refused."


class Integration(Spec):
    """What every provider has in common."""

    provider: str
    credential: Secret | None = Field(None, description=CREDENTIAL)
    base_url: BaseUrl | None = Field(
        None, description="Where requests go, in place of the provider's own address: a gateway or a regional endpoint."
    )
    models: Annotated[ItemSet[ShortText], Risk("access-widened", by=grown(empty_is_all=True))] = Field(
        (), description="The models that may be used. Empty (the default) allows every model of the provider."
    )
    default_model: Annotated[ShortText | None, NoRisk("only a model that may be used anyway can be the default")] = (
        Field(
            None,
            description="The model that is used where a caller names none. It has to be one of `models`, if those are given.",
        )
    )
    enabled: Annotated[bool, BY_ACCESS, Risk("access-widened", by=leaves_value(False))] = Field(
        True, description="Whether this integration may be used. Operators can suspend it besides."
    )
    runtime: ForAgents = None
    health: HealthChecks = None
    timeout_seconds: Seconds = Field(60, description="How long one request may take, in seconds (1 to 3600).")
    max_retries: Annotated[Retries, NoRisk("the same request is sent again")] = Field(
        2, description="How often a request that failed for a passing reason is sent again (0 to 10)."
    )

    classification: Annotated[
        Classification | None, BY_ACCESS, Risk("access-widened", by=sinks(CLASSIFICATIONS[::-1]))
    ] = Field(None, description="The most sensitive data that may be sent to this provider, as policies see it.")
    allow_fields: Annotated[ItemSet[BodyField] | None, Risk("access-widened", by=grown(empty_is_all=False))] = Field(
        None,
        description="Fields and tools of the provider's own that agents may send, e.g. `web_search` or `service_tier`. Those "
        "that reach past this server, or have no bound, are refused otherwise.",
    )
    settle_cut: Annotated[Literal["reserved", "received"] | None, Risk("limit-raised", by=takes_value("received"))] = (
        Field(
            None,
            description="What is charged for a stream that ended early and never reported its use: all that was `reserved` (the "
            "default), or an estimate from what was `received`.",
        )
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        if self.models and self.default_model is not None and self.default_model not in self.models:
            message = "`default_model` is not among `models`"
            yield Fault(("default_model",), "default-not-in-models", message, near(self.default_model, self.models))

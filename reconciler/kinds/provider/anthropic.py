"""Anthropic's API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.provider.common import CONFIG, CREDENTIAL, Integration
from reconciler.model.fields import ItemSet, Replacing, Secret, ShortText
from reconciler.model.judges import grown
from reconciler.model.risk import Health, NoRisk, Risk
from reconciler.model.spec import Part


class AnthropicOptions(Part):
    """Options of Anthropic."""

    version: Annotated[
        str,
        Field(max_length=10, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
        NoRisk("another version of the API reaches the same models"),
    ] = Field("2023-06-01", description="The version of the API, sent as `anthropic-version`.")
    beta: Annotated[ItemSet[ShortText], Risk("access-widened", by=grown(empty_is_all=False))] = Field(
        (), description="Beta features to switch on, sent as `anthropic-beta`."
    )


class Anthropic(Integration):
    """Anthropic's API."""

    provider: Annotated[Replacing[Literal["anthropic"]], Health()] = Field(description="Anthropic.")
    credential: Secret = Field(description=CREDENTIAL)
    config: Annotated[AnthropicOptions, Health()] = Field(default_factory=AnthropicOptions, description=CONFIG)

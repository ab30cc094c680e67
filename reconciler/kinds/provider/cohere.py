"""Cohere's API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.provider.common import CONFIG, CREDENTIAL, Integration
from reconciler.model.fields import Replacing, Secret, ShortText
from reconciler.model.risk import Health, NoRisk
from reconciler.model.spec import Part


class CohereOptions(Part):
    """Options of Cohere."""

    client_name: Annotated[ShortText | None, NoRisk("a name for the provider's statistics")] = Field(
        None, description="The name of the project, sent as `X-Client-Name`."
    )


class Cohere(Integration):
    """Cohere's API."""

    provider: Annotated[Replacing[Literal["cohere"]], Health()] = Field(description="Cohere.")
    credential: Secret = Field(description=CREDENTIAL)
    config: Annotated[CohereOptions, Health()] = Field(default_factory=CohereOptions, description=CONFIG)

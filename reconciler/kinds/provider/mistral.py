"""Mistral's API."""

from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.provider.common import CONFIG, CREDENTIAL, Integration
from reconciler.kinds.provider.wire import NOTHING, OPENAI, Alias, Probe, Wire, base_of, config_of, under
from reconciler.model.fields import Replacing, Secret
from reconciler.model.judges import leaves_value
from reconciler.model.risk import Health, Risk
from reconciler.model.spec import Part


class MistralOptions(Part):
    """Options of Mistral."""

    safe_prompt: Annotated[bool, Risk("access-widened", by=leaves_value(True))] = Field(
        False, description="Whether Mistral puts its safety prompt before every conversation."
    )


class Mistral(Integration):
    """Mistral's API."""

    provider: Annotated[Replacing[Literal["mistral"]], Health()] = Field(description="Mistral.")
    credential: Secret = Field(description=CREDENTIAL)
    config: Annotated[MistralOptions, Health()] = Field(default_factory=MistralOptions, description=CONFIG)


BASE = "https://api.mistral.ai/v1"
WIRE = Wire(
    places=lambda body: under(base_of(body, BASE), OPENAI, "chat", "embeddings"),
    probe=lambda body: Probe(f"{base_of(body, BASE)}/models"),
    prices="mistral",
    include_usage=lambda _body: False,
    output_bound=lambda _body, _endpoint: "max_tokens",
    adds=lambda body, endpoint: (
        {"safe_prompt": True} if endpoint == "chat" and config_of(body).get("safe_prompt") else NOTHING
    ),
    aliases=(Alias("mistral", ("mistral",), "MISTRAL_API_KEY", bare="mistral-|codestral"),),
)

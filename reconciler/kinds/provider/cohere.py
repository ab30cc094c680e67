"""Cohere's API."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.provider.common import CONFIG, CREDENTIAL, Integration
from reconciler.kinds.provider.wire import OPENAI, Alias, Probe, Wire, base_of, config_of, under
from reconciler.model.body import Body
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


def _headers(body: Body) -> Mapping[str, str]:
    name = config_of(body).get("client_name")
    return {"X-Client-Name": str(name)} if name else {}


WIRE = Wire(
    places=lambda body: under(base_of(body, "https://api.cohere.ai/compatibility/v1"), OPENAI, "chat", "embeddings"),
    headers=_headers,
    # its compatible API lists no models
    probe=lambda body: Probe(f"{base_of(body, 'https://api.cohere.com/v1')}/models"),
    prices="cohere",
    include_usage=lambda _body: False,
    output_bound=lambda _body, _endpoint: "max_tokens",
    aliases=(
        Alias("cohere", ("cohere", "cohere_chat"), "COHERE_API_KEY", bare="command|embed-english|embed-multilingual"),
    ),
)

"""OpenAI's models in Azure."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from reconciler.kinds.provider.common import CONFIG, CREDENTIAL, Integration
from reconciler.kinds.provider.wire import OPENAI, Alias, Key, Probe, Wire, base_of, config_of, under
from reconciler.model.body import Body
from reconciler.model.fields import BaseUrl, Replacing, Secret, ShortText
from reconciler.model.risk import Health, NoRisk, Risk
from reconciler.model.spec import Part

ModelMap: TypeAlias = Annotated[dict[ShortText, ShortText], Field(max_length=1000)]
ApiVersion: TypeAlias = Annotated[
    str, Field(max_length=32, pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?|v1|latest|preview)$")
]


class AzureOptions(Part):
    """Options of Azure OpenAI."""

    api_version: Annotated[ApiVersion | None, NoRisk("another version of the API reaches the same models")] = Field(
        None,
        description="The version of the API, e.g. `2024-10-21` or `v1`. Without it, the newest stable one is used.",
    )
    deployments: Annotated[ModelMap, Risk("access-widened")] = Field(
        default_factory=dict,
        description="The name of the deployment for each model. A model that is not here is its own deployment's name.",
    )


class AzureOpenAI(Integration):
    """OpenAI's models in Azure."""

    provider: Annotated[Replacing[Literal["azure_openai"]], Health()] = Field(description="Azure OpenAI.")
    credential: Secret = Field(description=CREDENTIAL)
    base_url: BaseUrl = Field(description="The resource's address, e.g. `https://acme.openai.azure.com`.")
    config: Annotated[AzureOptions, Health()] = Field(default_factory=AzureOptions, description=CONFIG)


def _probe(body: Body) -> Probe:
    """Return its list of models, at the version of the API that is configured."""
    version = str(config_of(body).get("api_version") or "2024-10-21")
    is_new = version in ("v1", "latest", "preview")
    path = "/openai/v1/models" if is_new else f"/openai/models?api-version={version}"
    return Probe(base_of(body) + path)


WIRE = Wire(
    places=lambda body: under(f"{base_of(body)}/openai/v1", OPENAI),
    key=lambda _body: Key("api-key", ""),
    model=lambda body, model: str((config_of(body).get("deployments") or {}).get(model, model)),
    probe=_probe,
    prices="azure",
    is_byte_level=True,
    image_tokens=50_000,
    aliases=(
        Alias(
            "azure",
            ("azure", "azure_text"),
            "AZURE_API_KEY",
            routes=frozenset({"o_series", "gpt5_series", "responses", "global", "global-standard", "eu", "us"}),
        ),
    ),
)

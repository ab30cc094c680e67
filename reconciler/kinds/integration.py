"""The kind `integration`: an LLM provider used with the customer's own key, one spec per provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from reconciler.kinds.checking import HealthChecks
from reconciler.kinds.rules import Fault, Retries, Seconds, settle
from reconciler.kinds.wording import near
from reconciler.model.fields import BaseUrl, FreeMap, ItemSet, Replacing, Secret, ShortText
from reconciler.model.judges import grown, leaves_value
from reconciler.model.kind import Ability, Kind
from reconciler.model.risk import Health, NoRisk, Risk
from reconciler.model.spec import Part, Spec

ModelMap: TypeAlias = Annotated[dict[ShortText, ShortText], Field(max_length=1000)]
ApiVersion: TypeAlias = Annotated[
    str, Field(max_length=32, pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?|v1|latest|preview)$")
]
Region: TypeAlias = Annotated[str, Field(max_length=32, pattern=r"^[a-z]{2,}(-[a-z0-9]+)+$")]

KeepAlive: TypeAlias = Annotated[str, Field(max_length=16, pattern=r"^(-1|0|[0-9]+(ms|s|m|h))$")]

_CREDENTIAL = "A reference to the API key, e.g. `vault://kv/acme/openai#api_key`. The key itself is refused."
_CREDENTIAL_OPTIONAL = "A reference to the key, if the provider needs one. Without it, "
_BASE_URL = "Where requests go, without the path of an operation, e.g. `https://models.example.com/v1`."
_CONFIG = "Options of this provider; others are refused."


class Integration(Spec):
    """What every provider has in common."""

    provider: str
    credential: Secret | None = Field(None, description=_CREDENTIAL)
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
    enabled: Annotated[bool, Risk("access-widened", by=leaves_value(False))] = Field(
        True, description="Whether this integration may be used. Operators can suspend it besides."
    )
    health: HealthChecks = None
    timeout_seconds: Seconds = Field(60, description="How long one request may take, in seconds (1 to 3600).")
    max_retries: Annotated[Retries, NoRisk("the same request is sent again")] = Field(
        2, description="How often a request that failed for a passing reason is sent again (0 to 10)."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        if self.models and self.default_model is not None and self.default_model not in self.models:
            message = "`default_model` is not among `models`"
            yield Fault(("default_model",), "default-not-in-models", message, near(self.default_model, self.models))


class OpenAIOptions(Part):
    """Options of OpenAI."""

    organization: Annotated[ShortText | None, Risk("access-widened")] = Field(
        None, description="The organization's id, `org-…`, that usage is billed to."
    )
    project: Annotated[ShortText | None, Risk("access-widened")] = Field(
        None, description="The project's id, `proj_…`, that usage is billed to."
    )


class OpenAI(Integration):
    """OpenAI's API."""

    provider: Annotated[Replacing[Literal["openai"]], Health()] = Field(description="OpenAI.")
    credential: Secret = Field(description=_CREDENTIAL)
    config: Annotated[OpenAIOptions, Health()] = Field(default_factory=OpenAIOptions, description=_CONFIG)


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
    credential: Secret = Field(description=_CREDENTIAL)
    config: Annotated[AnthropicOptions, Health()] = Field(default_factory=AnthropicOptions, description=_CONFIG)


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
    credential: Secret = Field(description=_CREDENTIAL)
    base_url: BaseUrl = Field(description="The resource's address, e.g. `https://acme.openai.azure.com`.")
    config: Annotated[AzureOptions, Health()] = Field(default_factory=AzureOptions, description=_CONFIG)


class BedrockOptions(Part):
    """Options of Amazon Bedrock."""

    region: Annotated[Region, Risk("endpoint-host-changed")] = Field(description="The AWS region, e.g. `eu-central-1`.")
    profile: Annotated[ShortText | None, Risk("credential-changed")] = Field(
        None, description="The profile of the machine's AWS configuration to use."
    )
    role_arn: Annotated[ShortText | None, Risk("credential-changed")] = Field(
        None, description="A role to assume before each session, as an ARN."
    )
    inference_profile: Annotated[ShortText | None, Risk("access-widened")] = Field(
        None, description="The inference profile, as an id or an ARN."
    )
    guardrail: Annotated[ShortText | None, Risk("access-widened")] = Field(
        None, description="The guardrail to apply, as `id` or `id:version`."
    )


class Bedrock(Integration):
    """Amazon Bedrock."""

    provider: Annotated[Replacing[Literal["bedrock"]], Health()] = Field(description="Amazon Bedrock.")
    credential: Secret | None = Field(
        None, description=_CREDENTIAL_OPTIONAL + "the role of the machine or `config.profile` is used."
    )
    config: Annotated[BedrockOptions, Health()] = Field(description=_CONFIG + " `region` is required.")


class GeminiOptions(Part):
    """Options of Gemini."""

    project: Annotated[ShortText | None, Risk("endpoint-host-changed"), Risk("access-widened")] = Field(
        None, description="The Google Cloud project. With it, Vertex AI is used."
    )
    location: Annotated[ShortText | None, Risk("endpoint-host-changed")] = Field(
        None, description="The location of Vertex AI, e.g. `europe-west4`."
    )
    api_version: Annotated[
        Literal["v1", "v1beta", "v1alpha"] | None, NoRisk("another version of the API reaches the same models")
    ] = Field(None, description="The version of the API. Without it, the newest stable one is used.")


class Gemini(Integration):
    """Google's Gemini, directly or through Vertex AI."""

    provider: Annotated[Replacing[Literal["gemini"]], Health()] = Field(description="Google Gemini.")
    credential: Secret = Field(description=_CREDENTIAL)
    config: Annotated[GeminiOptions, Health()] = Field(default_factory=GeminiOptions, description=_CONFIG)


class MistralOptions(Part):
    """Options of Mistral."""

    safe_prompt: Annotated[bool, Risk("access-widened", by=leaves_value(True))] = Field(
        False, description="Whether Mistral puts its safety prompt before every conversation."
    )


class Mistral(Integration):
    """Mistral's API."""

    provider: Annotated[Replacing[Literal["mistral"]], Health()] = Field(description="Mistral.")
    credential: Secret = Field(description=_CREDENTIAL)
    config: Annotated[MistralOptions, Health()] = Field(default_factory=MistralOptions, description=_CONFIG)


class CohereOptions(Part):
    """Options of Cohere."""

    client_name: Annotated[ShortText | None, NoRisk("a name for the provider's statistics")] = Field(
        None, description="The name of the project, sent as `X-Client-Name`."
    )


class Cohere(Integration):
    """Cohere's API."""

    provider: Annotated[Replacing[Literal["cohere"]], Health()] = Field(description="Cohere.")
    credential: Secret = Field(description=_CREDENTIAL)
    config: Annotated[CohereOptions, Health()] = Field(default_factory=CohereOptions, description=_CONFIG)


class OllamaOptions(Part):
    """Options of Ollama."""

    keep_alive: Annotated[KeepAlive | None, NoRisk("how long a model stays in memory reaches nothing more")] = Field(
        None,
        description="How long a model stays in memory, e.g. `10m`; `-1` is for ever. Without it, the server decides.",
    )
    num_ctx: Annotated[
        Annotated[int, Field(ge=1, le=10_000_000)] | None, NoRisk("a larger context reaches nothing more")
    ] = Field(None, description="The size of the context in tokens. Without it, the server decides.")


class Ollama(Integration):
    """A server that runs Ollama."""

    provider: Annotated[Replacing[Literal["ollama"]], Health()] = Field(description="Ollama.")
    credential: Secret | None = Field(None, description=_CREDENTIAL_OPTIONAL + "requests carry none.")
    base_url: BaseUrl = Field(description=_BASE_URL)
    config: Annotated[OllamaOptions, Health()] = Field(default_factory=OllamaOptions, description=_CONFIG)


class Custom(Integration):
    """Any other provider."""

    provider: Annotated[Replacing[Literal["custom"]], Health()] = Field(
        description="Any other provider, usually one with an OpenAI-compatible API."
    )
    credential: Secret | None = Field(None, description=_CREDENTIAL_OPTIONAL + "requests carry none.")
    base_url: BaseUrl = Field(description=_BASE_URL)
    config: Annotated[FreeMap, Risk("endpoint-host-changed"), Risk("access-widened"), Health()] = Field(
        default_factory=dict,
        description="Options of your own. Keys that look secret, such as `api_key`, need references.",
    )


PROVIDERS: dict[str, type[Spec]] = {
    "openai": OpenAI,
    "anthropic": Anthropic,
    "azure_openai": AzureOpenAI,
    "bedrock": Bedrock,
    "gemini": Gemini,
    "mistral": Mistral,
    "cohere": Cohere,
    "ollama": Ollama,
    "custom": Custom,
}

KIND = Kind(
    name="integration",
    plural="integrations",
    summary="An LLM provider that is used with the customer's own key.",
    variants=PROVIDERS,
    discriminator="provider",
    identity=("provider",),
    abilities=frozenset(
        {Ability.FREEZABLE, Ability.SUSPENDABLE, Ability.LIMITABLE, Ability.METERED, Ability.NAMEABLE, Ability.LISTED}
    ),
    examples={
        "openai": "credential: vault://kv/acme/openai#api_key\nmodels: [gpt-5, gpt-5-mini]\ndefault_model: gpt-5-mini",
        "anthropic": "credential: encrypted://anthropic",
        "azure_openai": "base_url: https://acme.openai.azure.com\ncredential: vault://kv/acme/azure#api_key\n"
        "config:\n  api_version: 2024-10-21",
        "bedrock": "config:\n  region: eu-central-1",
        "gemini": "credential: encrypted://gemini",
        "mistral": "credential: encrypted://mistral",
        "cohere": "credential: encrypted://cohere",
        "ollama": "base_url: http://ollama.internal:11434",
        "custom": "base_url: https://models.internal/v1\ncredential: vault://kv/acme/models#token",
    },
)

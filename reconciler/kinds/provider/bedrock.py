"""Amazon Bedrock."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from reconciler.kinds.provider.common import CONFIG, CREDENTIAL_OPTIONAL, Integration
from reconciler.kinds.provider.wire import ANTHROPIC, CHAT, Alias, Places, Wire, base_of, config_of, under
from reconciler.model.body import Body
from reconciler.model.fields import Replacing, Secret, ShortText
from reconciler.model.risk import Health, Risk
from reconciler.model.spec import Part

Region: TypeAlias = Annotated[str, Field(max_length=32, pattern=r"^[a-z]{2,}(-[a-z0-9]+)+$")]


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
        None, description=CREDENTIAL_OPTIONAL + "the role of the machine or `config.profile` is used."
    )
    config: Annotated[BedrockOptions, Health()] = Field(description=CONFIG + " `region` is required.")


def _places(body: Body) -> Places:
    """Return the endpoints. None without a key, since requests are not signed here.

    Amazon documents the guardrail of a request for OpenAI's format alone: with one, there is no other.
    """
    if not body.get("credential"):
        return {}
    config = config_of(body)
    base = base_of(body, f"https://bedrock-runtime.{config['region']}.amazonaws.com")
    chat = under(f"{base}/openai/v1", CHAT)
    return chat if config.get("guardrail") else {**chat, **under(f"{base}/anthropic", ANTHROPIC, "messages")}


def _headers(body: Body) -> Mapping[str, str]:
    guardrail = config_of(body).get("guardrail")
    if not guardrail:
        return {}
    name, _, version = str(guardrail).rpartition(":")
    if not name or not (version.isdigit() or version == "DRAFT"):
        name, version = str(guardrail), "DRAFT"
    return {"X-Amzn-Bedrock-GuardrailIdentifier": name, "X-Amzn-Bedrock-GuardrailVersion": version}


_ROUTES = frozenset(
    {
        *("converse", "converse_like", "invoke", "async_invoke"),
        *("llama", "deepseek_r1", "nova", "nova-2", "openai", "qwen3"),
    }
)
WIRE = Wire(
    places=_places,
    headers=_headers,
    model=lambda body, model: str(config_of(body).get("inference_profile") or model),
    prices="aws",
    unserved=lambda body: None if body.get("credential") else "Amazon Bedrock without an API key",
    aliases=(Alias("bedrock", ("bedrock", "bedrock_converse"), routes=_ROUTES),),
)

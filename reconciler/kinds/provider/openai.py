"""OpenAI's API."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.provider.common import CONFIG, CREDENTIAL, Integration
from reconciler.kinds.provider.wire import OPENAI, Alias, Probe, Wire, base_of, config_of, under
from reconciler.model.body import Body
from reconciler.model.fields import Replacing, Secret, ShortText
from reconciler.model.risk import Health, Risk
from reconciler.model.spec import Part


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
    credential: Secret = Field(description=CREDENTIAL)
    config: Annotated[OpenAIOptions, Health()] = Field(default_factory=OpenAIOptions, description=CONFIG)


def _headers(body: Body) -> Mapping[str, str]:
    config, names = config_of(body), {"organization": "OpenAI-Organization", "project": "OpenAI-Project"}
    return {header: str(config[name]) for name, header in names.items() if config.get(name)}


BASE = "https://api.openai.com/v1"
WIRE = Wire(
    places=lambda body: under(base_of(body, BASE), OPENAI),
    headers=_headers,
    probe=lambda body: Probe(f"{base_of(body, BASE)}/models"),
    prices="openai",
    is_byte_level=True,
    image_tokens=50_000,  # 2,833 + 8 x 5,667 for gpt-4o-mini, its dearest model
    aliases=(
        Alias(
            "openai",
            ("openai", "text-completion-openai"),
            "OPENAI_API_KEY",
            routes=frozenset({"responses", "chat", "completions"}),
            bare=r"gpt-|chatgpt-|o[0-9](-|$)|text-(davinci|embedding)|davinci|babbage|dall-e|whisper|tts-|ft:gpt",
        ),
    ),
)

"""A server that runs Ollama."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from reconciler.kinds.provider.common import BASE_URL, CONFIG, CREDENTIAL_OPTIONAL, Integration
from reconciler.kinds.provider.wire import ANTHROPIC, OPENAI, OUTPUT_BOUNDS, Alias, Places, Probe, Wire, base_of, under
from reconciler.model.body import Body
from reconciler.model.fields import BaseUrl, Replacing, Secret
from reconciler.model.risk import Health, NoRisk
from reconciler.model.spec import Part

KeepAlive: TypeAlias = Annotated[str, Field(max_length=16, pattern=r"^(-1|0|[0-9]+(ms|s|m|h))$")]


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
    credential: Secret | None = Field(None, description=CREDENTIAL_OPTIONAL + "requests carry none.")
    base_url: BaseUrl = Field(description=BASE_URL)
    config: Annotated[OllamaOptions, Health()] = Field(default_factory=OllamaOptions, description=CONFIG)


def _places(body: Body) -> Places:
    base = base_of(body)
    return {**under(f"{base}/v1", OPENAI), **under(base, ANTHROPIC, "messages")}


WIRE = Wire(
    places=_places,
    probe=lambda body: Probe(f"{base_of(body)}/api/tags"),
    output_bound=lambda _body, endpoint: "max_tokens" if endpoint == "chat" else OUTPUT_BOUNDS[endpoint],
    aliases=(Alias("ollama", ("ollama", "ollama_chat"), None, "http://localhost:11434"),),
)

"""Anthropic's API."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.provider.common import CONFIG, CREDENTIAL, Integration
from reconciler.kinds.provider.wire import ANTHROPIC, CHAT, Alias, Key, Places, Probe, Wire, base_of, config_of, under
from reconciler.model.body import Body
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


BASE = "https://api.anthropic.com"


def _places(body: Body) -> Places:
    base = base_of(body, BASE)
    return {**under(base, ANTHROPIC), **under(f"{base}/v1", CHAT)}


def _headers(body: Body) -> Mapping[str, str]:
    config = config_of(body)
    betas = {"anthropic-beta": ",".join(config["beta"])} if config.get("beta") else {}
    return {"anthropic-version": str(config.get("version") or "2023-06-01"), **betas}


WIRE = Wire(
    places=_places,
    key=lambda _body: Key("x-api-key", ""),
    headers=_headers,
    probe=lambda body: Probe(f"{base_of(body, BASE)}/v1/models?limit=1"),
    prices="anthropic",
    image_tokens=5_000,  # 4,784 for models of high resolution
    aliases=(Alias("anthropic", ("anthropic",), "ANTHROPIC_API_KEY", bare="claude-"),),
)

"""Any other provider."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from reconciler.kinds.headers import HeaderName
from reconciler.kinds.provider.common import BASE_URL, CREDENTIAL_OPTIONAL, Integration
from reconciler.kinds.provider.wire import (
    ANTHROPIC,
    OPENAI,
    OUTPUT_BOUNDS,
    Format,
    Key,
    Places,
    Probe,
    Wire,
    base_of,
    under,
)
from reconciler.model.body import Body
from reconciler.model.fields import BaseUrl, FreeMap, ItemSet, Replacing, Secret
from reconciler.model.risk import Health, NoRisk, Risk

OutputBound: TypeAlias = Literal["max_tokens", "max_completion_tokens", "max_output_tokens"]


class Custom(Integration):
    """Any other provider."""

    provider: Annotated[Replacing[Literal["custom"]], Health()] = Field(
        description="Any other provider, usually one with an OpenAI-compatible API."
    )
    credential: Secret | None = Field(None, description=CREDENTIAL_OPTIONAL + "requests carry none.")
    base_url: BaseUrl = Field(description=BASE_URL)
    config: Annotated[FreeMap, Risk("endpoint-host-changed"), Risk("access-widened"), Health()] = Field(
        default_factory=dict,
        description="Options of your own. Keys that look secret, such as `api_key`, need references.",
    )
    formats: Annotated[ItemSet[Format] | None, NoRisk("the same models answer in another form")] = Field(
        None,
        description="The formats that it speaks: `openai` (the default where none is given), `anthropic`, or both.",
    )
    include_usage: Annotated[bool | None, NoRisk("the provider reports its use, or doesn't")] = Field(
        None,
        description="Whether it takes `stream_options.include_usage`. Without it, that is not asked for, and a stream that reports no "
        "use is charged with all that was reserved for it.",
    )
    output_bound: Annotated[OutputBound | None, NoRisk("the same bound under another name")] = Field(
        None, description="The field that it reads as the bound on output tokens. `max_tokens` without it."
    )
    auth_header: Annotated[HeaderName | None, Risk("credential-changed"), Health()] = Field(
        None, description="The header that carries the credential as it is. Without it, `Authorization: Bearer …` does."
    )


def _places(body: Body) -> Places:
    """Return the endpoints of the formats that are declared. The base may end in the version that OpenAI's format has."""
    base, formats = base_of(body), body.get("formats") or ("openai",)
    found = under(base, OPENAI) if "openai" in formats else {}
    return {**found, **under(base.removesuffix("/v1"), ANTHROPIC)} if "anthropic" in formats else found


def _output_bound(body: Body, endpoint: str) -> str:
    return str(body.get("output_bound") or "max_tokens") if endpoint == "chat" else OUTPUT_BOUNDS[endpoint]


WIRE = Wire(
    places=_places,
    probe=lambda body: Probe(f"{base_of(body)}/models"),
    key=lambda body: Key(body["auth_header"], "") if body.get("auth_header") else Key(),
    include_usage=lambda body: bool(body.get("include_usage")),
    output_bound=_output_bound,
)

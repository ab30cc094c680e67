"""Google's Gemini, directly or through Vertex AI."""

from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.provider.common import CONFIG, CREDENTIAL, Integration
from reconciler.kinds.provider.wire import OPENAI, Alias, Key, Places, Probe, Wire, base_of, config_of, under
from reconciler.model.body import Body
from reconciler.model.fields import Replacing, Secret, ShortText
from reconciler.model.risk import Health, NoRisk, Risk
from reconciler.model.spec import Part


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
    credential: Secret = Field(description=CREDENTIAL)
    config: Annotated[GeminiOptions, Health()] = Field(default_factory=GeminiOptions, description=CONFIG)


BASE = "https://generativelanguage.googleapis.com"


def _places(body: Body) -> Places:
    """Return the endpoints. None at Vertex AI, which takes no keys."""
    config = config_of(body)
    if config.get("project"):
        return {}
    base = base_of(body, BASE)
    return under(f"{base}/{config.get('api_version') or 'v1beta'}/openai", OPENAI, "chat", "embeddings")


def _probe(body: Body) -> Probe | None:
    """Return its own list of models; Vertex AI wants a token that is fetched first."""
    config = config_of(body)
    if config.get("project"):
        return None
    base = f"{base_of(body, BASE)}/{config.get('api_version') or 'v1beta'}"
    return Probe(f"{base}/models?pageSize=1", Key("x-goog-api-key", ""))


WIRE = Wire(
    places=_places,
    probe=_probe,
    prices="google",
    unserved=lambda body: "Vertex AI, which takes no static key" if config_of(body).get("project") else None,
    aliases=(
        Alias("gemini", ("gemini",), "GEMINI_API_KEY"),
        Alias(
            "vertex-ai",
            ("vertex_ai", "vertex_ai_beta"),
            "GOOGLE_APPLICATION_CREDENTIALS",
            routes=frozenset({"gemini", "openai"}),
            bare="gemini-",
        ),
    ),
)

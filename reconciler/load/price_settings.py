"""Prices in ``serve.yaml``: what models cost here, where the prices that come with the program don't fit."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from reconciler.kinds.integration import PROVIDERS
from reconciler.model.fields import Amount, ItemSet, ShortText, fail
from reconciler.model.spec import Part

PerMillion: TypeAlias = Annotated[Amount, Field(le=1_000_000)]


def _model(text: str) -> str:
    provider, slash, model = text.partition("/")
    if not slash or not model or provider not in PROVIDERS:
        raise fail(
            "invalid-format", f"expected PROVIDER/MODEL, e.g. openai/gpt-5; a provider is one of {', '.join(PROVIDERS)}"
        )
    return text


PricedModel: TypeAlias = Annotated[ShortText, AfterValidator(_model)]


class ModelPriceSettings(Part):
    """What is known of one model, in place of what comes with the program. Amounts are US dollars a million tokens."""

    input: PerMillion | None = Field(None, description="Tokens of input. With it, no price from the program counts.")
    output: PerMillion | None = Field(None, description="Tokens of output.")
    cached: PerMillion | None = Field(None, description="Tokens of input that are read from a cache.")
    written: PerMillion | None = Field(None, description="Tokens of input that are written to a cache.")
    written_hour: PerMillion | None = Field(None, description="Tokens that are written to a cache for an hour.")
    request: PerMillion | None = Field(None, description="Each request besides, in US dollars.")
    context_window: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = Field(
        None, description="How many tokens a request and its answer may have together."
    )
    max_output_tokens: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = Field(
        None, description="How many tokens of output the model makes at most."
    )


class PriceSettings(Part):
    """What models cost, where that differs from the prices that come with the program."""

    accept: ItemSet[PricedModel] = Field(
        (),
        description="Models whose price is found by their family's name and not by their own, as PROVIDER/MODEL; * stands for any "
        "text. A limit on cost refuses others.",
    )
    models: Annotated[dict[PricedModel, ModelPriceSettings], Field(max_length=10_000)] = Field(
        default_factory=dict, description="Prices, context windows and most output of models, by PROVIDER/MODEL."
    )

"""Spans of model calls: one for each try of a deployment, below the span of the agent's request.

    with model_call("chat", deployment) as tried:
        ...  # headers: tried.beside(headers)
        used(tried, "chat", deployment, usage)

Where the answer is a stream that outlives the block's task, end the span by hand: ``tried.span.end(code)``, without `with`.
Names: the GenAI conventions of OpenTelemetry. Prompts and completions are never captured.
"""

from __future__ import annotations

from typing import Literal

from reconciler.runtime.llm.request import Deployment, Usage
from reconciler.runtime.tracing import OPERATION, TOKENS, Attribute, Attributes, Part, part

Operation = Literal["chat", "embeddings"]
PROVIDER, REQUESTED = "gen_ai.provider.name", "gen_ai.request.model"


def model_call(operation: Operation, deployment: Deployment) -> Part:
    """Return the block around one try of a model."""
    return part("model", f"{operation} {deployment.model}", _attributes, operation, deployment)


def used(tried: Part, operation: Operation, deployment: Deployment, usage: Usage) -> None:
    """Note the tokens that a provider reported, on the span and in the histogram of tokens."""
    if tried.span is None:
        return
    noted: dict[str, Attribute] = {
        "gen_ai.usage.input_tokens": usage.input,
        "gen_ai.usage.output_tokens": usage.output,
        "gen_ai.usage.cache_read.input_tokens": usage.cached,
        "gen_ai.usage.cache_creation.input_tokens": usage.written,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning,
    }
    tried.note({name: n for name, n in noted.items() if n})
    labels = _attributes(operation, deployment)
    for kind, n in (("input", usage.input), ("output", usage.output)):
        if n:
            tried.span.observe(TOKENS, n, {**labels, "gen_ai.token.type": kind})


def _attributes(operation: Operation, deployment: Deployment) -> Attributes:
    return {OPERATION: operation, PROVIDER: deployment.provider, REQUESTED: deployment.model}

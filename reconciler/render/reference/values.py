"""Types with rules of their own, and the risks of changes, each turned into a page."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.risk import RISKS, level_of
from reconciler.render.reference.forms import called, sentence
from reconciler.render.reference.prose import paragraph
from reconciler.render.schema_values import VARIABLES
from reconciler.render.schemas import forms


def values_page() -> Iterator[str]:
    """Render the reference's page of values."""
    yield "# Values"
    yield ""
    yield from paragraph(
        "Fields of these types are checked by more than their length. YAML is read as YAML 1.2: `no`, `on` and dates are "
        "text, and decimals such as `2500.00` are exact."
    )
    yield "## variables"
    yield ""
    yield from paragraph(sentence(VARIABLES["variable"]["description"]))
    for form in sorted(forms().values(), key=lambda form: called()[form.name]):
        yield f"## {called()[form.name]}"
        yield ""
        text = form.message.removeprefix("expected ")
        yield from paragraph(sentence(text[0].upper() + text[1:]))


def risks_page() -> Iterator[str]:
    """Render the reference's page of risks."""
    yield "# Risks"
    yield ""
    yield from paragraph(
        "What a change may do to data, access and limits. Plans name them, the gravest first, and each has one of "
        "three levels: high, medium or low. `guards.refuse` in "
        "[reconciler.yaml](project.md) makes an apply refuse them, and `--allow-risk` says that one is meant. The pages of "
        "the kinds name the risks of each field."
    )
    for name, meaning in RISKS.items():
        yield f"## {name}"
        yield ""
        yield from paragraph(f"{meaning[0].upper()}{meaning[1:]}. Level: {level_of(name).value}.")

"""Texts of reconciler.yaml in which no variable is replaced."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from reconciler.model.fields import Form, ShortText, fail


def no_variables(text: str) -> str:
    """Return a text without variables; fail for any other."""
    if "${" in text:
        raise fail("no-variables", "no ${...} here: a pull request must not steer where an apply writes")
    return text


NO_VARIABLES = r"(?![\s\S]*\$\{)"
"""The beginning of a pattern for text without variables."""
Plain: TypeAlias = Annotated[
    ShortText, AfterValidator(no_variables), Form("plain", f"^{NO_VARIABLES}", "no ${...} here")
]

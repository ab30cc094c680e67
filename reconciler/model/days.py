"""The type of fields that hold a day, as text: YAML 1.2 has no dates."""

from __future__ import annotations

from datetime import date
from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from reconciler.model.fields import Form, Public, fail


def _day(text: str) -> str:
    try:
        if str(date.fromisoformat(text)) != text:  # Python also reads week dates, and dates without hyphens
            raise ValueError
    except ValueError:
        raise fail("invalid-date", "expected a date such as 2026-12-31") from None
    return text


Day: TypeAlias = Annotated[
    str,
    AfterValidator(_day),
    Form("day", r"^[0-9]{4}-?[0-9W][0-9-]*$", "expected a date such as 2026-12-31"),
    Public(),
]

"""Fields of what a collection of vectors keeps beside each vector: their names, and the filter of a datasource."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from reconciler.kinds.literals import Scalar
from reconciler.model.fields import Form, Public, fail

_FIELD = r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*"
_WHOLE = re.compile(_FIELD)
MOST_FIELDS = 50


def _field(text: str) -> str:
    if not _WHOLE.fullmatch(text):
        raise fail("invalid-name", "expected a field's name: letters, digits, `_` and `-`, with dots between parts")
    return text


FieldName: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=128),
    AfterValidator(_field),
    Form("field_name", f"^{_FIELD}$", "expected a field's name, such as team or source.page"),
    Public(),
]
OwnFilter: TypeAlias = Annotated[dict[FieldName, Scalar], Field(max_length=MOST_FIELDS)]
"""What everything in a datasource has in common: each field with its one value."""

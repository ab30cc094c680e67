"""Regular expressions that match in linear time, so that a hostile value or pattern can't stop the program."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, TypeAlias

from pydantic import AfterValidator
from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

from reconciler.model.fields import Pattern, fail, for_models


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> SchemaValidator | None:
    # pydantic's own engine is Rust's: no back-references, no look-around, and never more than linear time
    try:
        SchemaValidator(core_schema.str_schema(pattern=pattern))
        return SchemaValidator(core_schema.str_schema(pattern=rf"\A(?:{pattern})\z"))
    except SchemaError:
        return None


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches."""
    compiled = _compiled(pattern)
    if compiled is None:
        return False
    try:
        compiled.validate_python(text)
    except ValidationError:
        return False
    return True


def is_linear(pattern: str) -> bool:
    """Whether the pattern can be matched in linear time."""
    return _compiled(pattern) is not None


def _linear(pattern: str) -> str:
    if not is_linear(pattern):
        raise fail("invalid-pattern", "expected a regular expression without back-references and look-around")
    return pattern


LinearPattern: TypeAlias = Annotated[Pattern, AfterValidator(for_models), AfterValidator(_linear)]

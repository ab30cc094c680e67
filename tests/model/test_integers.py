"""Which numbers JSON keeps here."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from reconciler.model.fields import free_json

KEPT = [2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, Decimal(2**63 - 1), 0.5, Decimal("0.5"), 1.0, float(2**53 - 1)]
# a float beyond 2^53 may have been another number before somebody read it
REFUSED = [2**64, -(2**63) - 1, Decimal("9007199254740993.5"), float(2**53), 1e17, Decimal("Infinity"), Decimal("NaN")]


@pytest.mark.parametrize("value", KEPT)
def test_kept(value: Any) -> None:
    found = free_json(value)
    assert found == value
    assert isinstance(found, int) is (value == int(value))


@pytest.mark.parametrize("value", [*REFUSED, float("nan"), float("inf")])
def test_refused(value: Any) -> None:
    with pytest.raises(PydanticCustomError, match="2\\^64 - 1"):
        free_json(value)

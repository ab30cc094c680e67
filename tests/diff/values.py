"""Random JSON, and what equality means in it."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

STABLE = settings(deadline=None, derandomize=True, max_examples=200)

SCALARS = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, -1, 2, 0.0, 1.0, 1.5, -0.0])
    | st.sampled_from(["", "a", "1", "é"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["", "a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=8,
)
BODY = st.dictionaries(st.sampled_from(["", "a", "b", "c", "d"]), JSON, max_size=4)


def frozen(value: Any) -> Any:
    """Equal for what is equal in JSON: True is not 1, and 1 is 1.0; the order of keys means nothing."""
    if isinstance(value, dict):
        return ("map", frozenset((key, frozen(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("list", tuple(map(frozen, value)))
    return (type(value).__name__ if isinstance(value, bool | str | None) else "number", value)


def without_empty_maps(value: Any) -> Any:
    """Maps that hold nothing are left out, at any depth of maps."""
    if not isinstance(value, dict):
        return value
    kept = {key: without_empty_maps(item) for key, item in value.items()}
    return {key: item for key, item in kept.items() if item != {}}

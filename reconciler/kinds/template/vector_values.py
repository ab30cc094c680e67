"""Values of templates of type `vector`: where parameters stand, and those that a store can't take."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from reconciler.errors import Path
from reconciler.model.body import Body
from reconciler.model.target import Unfit

NAME = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
DEFAULT_TOP_K = 10
MOST_DIMENSIONS = 65536
MOST_IDS = 1000
MOST_ID = 512
"""Characters of an id."""
_GREATEST = 3.4028234663852886e38
"""The greatest number of 32 bits, which is what stores keep."""
_LEAST = 1.401298464324817e-45
"""The least number of 32 bits above zero."""


def parameter_in(value: Any) -> str | None:
    """Return the parameter that a value of a template stands for; None for a literal."""
    match = NAME.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else None


def own_filter(datasource: Body) -> Mapping[str, Any]:
    """Return what everything in a datasource has in common."""
    found: Mapping[str, Any] = datasource.get("filter") or {}
    return found


def filled(value: Any, values: Mapping[str, Any]) -> Any:
    """Return a literal as it is, and the value of a call in place of its parameter."""
    name = parameter_in(value)
    return value if name is None else values[name]


def text_of(said: str, values: Mapping[str, Any]) -> str:
    """Return a text with the values of a call in place of their parameters."""
    return NAME.sub(lambda match: _word(values[match[1]]), said)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def used_parameters(body: Body) -> dict[str, tuple[Path, str]]:
    """Return the parameters that a template uses, with the path and the words for the place."""
    used: dict[str, tuple[Path, str]] = {}
    for path, value in _places(body):
        if (name := parameter_in(value)) is not None:
            used.setdefault(name, (path, ""))
    return used


def parameters_at(body: Body, field: str) -> dict[str, Path]:
    """Return the parameters that stand in one field of a template, with their paths."""
    return {name: path for path, value in _places(body) if path[0] == field and (name := parameter_in(value))}


def _places(body: Body) -> Iterator[tuple[Path, Any]]:
    """Yield every value of a template in which a parameter may stand, with its path; a text once for each of its parameters."""
    if (embed := body.get("embed")) is not None:
        for name in NAME.findall(embed["text"]):
            yield ("embed", "text"), f"{{{name}}}"
    for field in ("vector", "top_k", "id", "ids"):
        if body.get(field) is not None:
            yield (field,), body[field]
    for field in ("filter", "payload"):
        for key, value in (body.get(field) or {}).items():
            yield (field, key), value


def unfit(body: Body, connector: Body, values: Mapping[str, Any]) -> Iterator[Unfit]:
    """Yield those of some values that the store can't take."""
    for path, said in _places(body):
        name = parameter_in(said)
        if name is not None and name in values and (message := _wrong(path[0], values[name], connector)):
            yield Unfit(name, message)


def _wrong(field: Any, value: Any, connector: Body) -> str:
    """Return what is wrong with a value in a field; "" for a good one."""
    if field == "top_k":
        most: int = connector["max_results"]
        return "" if _is_whole(value) and 1 <= value <= most else f"expected a whole number from 1 to {most}"
    if field == "embed":
        return (
            ""
            if isinstance(value, str | int | float | Decimal) and str(value).strip()
            else "expected a text with words"
        )
    if field == "vector":
        return vector_fault(value, connector.get("dimensions"), connector["metric"])
    listed = value if isinstance(value, list | tuple) and field != "id" else [value]
    if field == "payload":
        return "" if value is None else _first(listed, _kept)
    if len(listed) > MOST_IDS:
        return f"expected at most {MOST_IDS} items"
    if field in {"id", "ids"}:
        return _first(listed, _point_fault if connector["engine"] == "qdrant" else _id_fault)
    return _first(listed, _kept)


def _first(values: Any, judge: Any) -> str:
    return next(filter(None, map(judge, values)), "")


def vector_fault(value: Any, dimensions: int | None, metric: str) -> str:
    """Return why a value is no vector that can be compared; "" for one that is. It names no number of the vector."""
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MOST_DIMENSIONS:
        return f"expected a list of 1 to {MOST_DIMENSIONS} numbers"
    if dimensions is not None and len(value) != dimensions:
        return f"expected {dimensions} numbers, which is the length of the vectors there"
    kinds = {*map(type, value)}
    if not kinds <= {int, float, Decimal}:
        return "expected a list of numbers"
    try:
        numbers = value if kinds == {float} else [*map(float, value)]
    except OverflowError:
        numbers = [math.inf]
    size = max(max(numbers), -min(numbers))
    # a sum with a number that is not finite is not finite, and takes a tenth of asking each
    if not math.isfinite(sum(numbers)) or size > _GREATEST:
        return "expected finite numbers of 32 bits"
    if metric == "cosine" and size < _LEAST:
        return "expected a vector that is not all zeros: it has no direction"
    return ""


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _kept(value: Any) -> str:
    """Return why no store keeps a value, or none compares with it."""
    if value is None or not isinstance(value, str | int | float | Decimal):
        return "expected text, a number or a boolean, and no null"
    if isinstance(value, str):
        return "expected text without the character NUL" if "\0" in value else ""
    if isinstance(value, int):
        return "" if -(2**63) <= value < 2**63 else "expected a whole number of 64 bits"
    return "" if math.isfinite(value) else "expected a finite number"


def literal_faults(body: Body, connector: Body) -> Iterator[tuple[Path, str]]:
    """Yield, with its path, what is wrong with a literal id: nobody is offered an operation that can't be done."""
    for path, said in _places(body):
        if path[0] in {"id", "ids"} and parameter_in(said) is None and (message := _wrong(path[0], said, connector)):
            yield path, message


def _point_fault(value: Any) -> str:
    """Return what is wrong with an id of Qdrant."""
    if _is_whole(value) or (isinstance(value, str) and _UUID.fullmatch(value)):
        return _id_fault(value)
    return "expected a whole number or a uuid: Qdrant keeps no other ids"


def _id_fault(value: Any) -> str:
    if _is_whole(value):
        return "" if 0 <= value < 2**63 else "expected an id of 0 or more, of 64 bits"
    if isinstance(value, str) and 1 <= len(value) <= MOST_ID and "\0" not in value:
        return ""
    return f"expected an id: a text of 1 to {MOST_ID} characters, or a whole number"

"""The bound on what a part of a value is held against, compared with a count that follows each path of a value."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.kinds.schema_engine import schema_fault
from reconciler.kinds.template.schema_cost import MAX_WIDTH, TooMuch, _most, require_bounded, steps_of, target_of

NAMES = ("a", "b")
REFERENCES = st.sampled_from(["#", "#/$defs/x", "#/$defs/y"])
SCHEMAS = st.recursive(
    st.just({}) | st.fixed_dictionaries({"$ref": REFERENCES}) | st.just(True),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
            "additionalProperties": inner,
            "patternProperties": st.fixed_dictionaries({"^a": inner}),
            "items": inner,
            "contains": inner,
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    ),
    max_leaves=8,
)


def sharing(root: Any, schema: Any, above: tuple[int, ...] = ()) -> Iterator[Any]:
    yield schema
    if isinstance(schema, dict):
        for one in [*schema.get("allOf", ()), *([schema["not"]] if "not" in schema else [])]:
            yield from sharing(root, one, above)
        if "$ref" in schema and id(found := target_of(root, schema["$ref"])) not in above:
            yield from sharing(root, found, (*above, id(found)))


def below(schema: Any, step: str | int) -> Iterator[Any]:
    if not isinstance(schema, dict):
        return
    if isinstance(step, int):
        yield from (schema[key] for key in ("items", "contains") if key in schema)
        return
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    found = [*([named[step]] if step in named else []), *(patterns.values() if step == "a" else ())]
    yield from found or ([schema["additionalProperties"]] if "additionalProperties" in schema else [])


def widest(root: Any, levels: int) -> int:
    """Return the most schemas, other than true and false, that a part on any path of that many steps is held against."""
    most = 0
    for path in product([*NAMES, "c", 0], repeat=levels):
        held = [root]
        for step in (None, *path):
            if step is not None:
                held = [one for schema in held for one in below(schema, step)]
            held = [one for schema in held for one in sharing(root, schema)]
            most = max(most, sum(isinstance(one, dict) for one in held))
            if most > 5000:
                return most
    return most


@settings(max_examples=400, deadline=None)
@given(SCHEMAS, SCHEMAS, SCHEMAS)
def test_no_part_is_held_against_more(root: Any, x: Any, y: Any) -> None:
    whole = {"$defs": {"x": x, "y": y}, **(root if isinstance(root, dict) else {})}
    try:
        bound = _most(whole, lambda _: 1)
    except TooMuch:
        return
    assert widest(whole, 4) <= bound


def described(types: int, kinds: int) -> dict[str, Any]:
    """A description of the size of a payment API's: a choice of many kinds, which share their types, and chains of `allOf`."""
    money = {"type": "object", "properties": {"value": {"type": "integer"}, "currency": {"$ref": "#/$defs/T0"}}}
    made: dict[str, Any] = {"T0": {"type": "string", "maxLength": 3}, "Money": money}
    for n in range(1, types):
        own = {"properties": {f"f{n}_{i}": {"$ref": f"#/$defs/T{max(0, n - 1 - i)}"} for i in range(6)}}
        made[f"T{n}"] = {"allOf": [{"$ref": "#/$defs/Resource"}, {**own, "type": ["object", "string"]}]}
    # every resource leads to all others, as services, teams, incidents and users do
    made["Resource"] = {"properties": {f"of_{n}": {"$ref": f"#/$defs/T{n}"} for n in range(types - 1, 0, -20)}}
    choices = [
        {
            "type": "object",
            "properties": {
                "kind": {"const": f"k{n}"},
                "amount": {"$ref": "#/$defs/Money"},
                f"own{n}": {"type": "string"},
            },
            "required": ["kind"],
        }
        for n in range(kinds)
    ]
    return {
        "type": "object",
        "properties": {"method": {"oneOf": choices}, "r": {"$ref": f"#/$defs/T{types - 1}"}},
        "$defs": made,
    }


def test_what_real_apis_need_is_within_the_bounds() -> None:
    schema = described(500, 60)
    began = time.process_time()
    require_bounded(schema)
    assert steps_of(schema) == 0
    assert time.process_time() - began < 2
    value: Any = "x"
    for _ in range(90):
        value = {"of_499": value, "of_19": "y"}
    good = {"method": {"kind": "k7", "amount": {"value": 2**53 + 1, "currency": "EUR"}}, "r": value}
    assert schema_fault(schema, good, "body") is None
    assert schema_fault(schema, {"method": {"kind": "none"}}, "body") is not None


def test_the_widest_that_is_allowed_is_judged_in_time() -> None:
    schema = {"items": {"allOf": [{"minimum": -n} for n in range(MAX_WIDTH - 2)]}}
    require_bounded(schema)
    began = time.process_time()
    assert schema_fault(schema, [0] * 20_000, "body") is None
    assert time.process_time() - began < 5


@pytest.mark.parametrize("times", [1, 5])
def test_patterns_of_one_part_add_up(times: int) -> None:
    one = {"type": "string", "pattern": "^[a-z]{20}$"}
    alone = steps_of({"properties": {"a": one, "b": one}})
    assert alone > 0
    assert steps_of({"properties": {"a": {"allOf": [one] * times}, "b": one}}) == alone * times

"""The arguments of a tool: the pinned schema as agents see it, and the values of a call held against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from msgspec import Struct

from reconciler import strict_json
from reconciler.kinds.connector.mcp_arguments import Argument
from reconciler.kinds.connector.mcp_definition import for_agents
from reconciler.kinds.connector.mcp_widening import BRANCHES
from reconciler.kinds.schema_engine import ARGUMENTS, UnusableSchema, schema_fault
from reconciler.kinds.template.inputs import COSTLY
from reconciler.kinds.template.pattern import MAX_STEPS, weight
from reconciler.kinds.template.schema_cost import steps_of
from reconciler.model.body import Body
from reconciler.model.spec import read_again
from reconciler.model.target import CLAIMS, Bound, Identity, NoClaim, Unfit, value_of


class ToolInputs(Struct, frozen=True, dict=True):
    """Of a tool in a valid, normalised body of a connector, with its pinned definition."""

    tool: Body

    @cached_property
    def pinned(self) -> Any:
        """The server's schema."""
        return self.tool["definition"]["input"]

    @cached_property
    def arguments(self) -> Mapping[str, Argument]:
        return {name: read_again(Argument, raw) for name, raw in (self.tool.get("arguments") or {}).items()}

    @cached_property
    def _fixed(self) -> frozenset[str]:
        return frozenset(name for name, one in self.arguments.items() if one.is_fixed)

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        found: dict[str, Any] = self._shown(for_agents(self.pinned))
        narrowed = [name for name in self.arguments if name not in self._fixed]
        if narrowed:
            properties = found.setdefault("properties", {})
            for name in narrowed:
                properties[name] = self.arguments[name].narrowed(properties.get(name))
            found["required"] = sorted({*found.get("required", ()), *narrowed})
        return found

    def _shown(self, schema: Any) -> Any:
        """Return a schema of the whole arguments without what agents don't give."""
        if not isinstance(schema, dict):
            return schema
        found: dict[str, Any] = {
            key: [*map(self._shown, value)] if key in BRANCHES else value for key, value in schema.items()
        }
        if isinstance(found.get("properties"), dict):
            found["properties"] = {n: one for n, one in found["properties"].items() if n not in self._fixed}
        if isinstance(found.get("required"), list):
            found["required"] = [name for name in found["required"] if name not in self._fixed]
        return found

    @cached_property
    def claims(self) -> tuple[str, ...]:
        origins = (one.origin or "" for one in self.arguments.values())
        return tuple(one.removeprefix(CLAIMS) for one in origins if one.startswith(CLAIMS))

    @cached_property
    def asks_identity(self) -> bool:
        return any(one.origin is not None for one in self.arguments.values())

    def identify(self, identity: Identity) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        for name, one in self.arguments.items():
            if one.origin is not None:
                found[name] = value_of(one.origin, identity)
                if fault := one.wrong(found[name]):
                    raise NoClaim(f"{name}: {fault}")
        return found

    def bind(self, given: Mapping[str, Any], identity: Identity) -> Bound | tuple[Unfit, ...]:
        fixed = {name: one.const for name, one in self.arguments.items() if one.const is not None}
        fixed |= self.identify(identity)
        if self._steps(given) > MAX_STEPS:
            return (COSTLY,)
        if wrong := tuple(self._unfit(given)):
            return wrong
        whole = {**given, **fixed}
        try:
            fault = schema_fault(self.pinned, whole, "", foreign=True)
        except UnusableSchema:
            fault = Unfit(ARGUMENTS, "the pinned schema of the tool can't be used")
        return (fault,) if fault else Bound(whole)

    def _steps(self, given: Mapping[str, Any]) -> int:
        """Return what it costs at most to hold values against the patterns."""
        own = (
            weight(one.pattern) * len(given[name])
            for name, one in self.arguments.items()
            if one.pattern is not None and isinstance(given.get(name), str)
        )
        return sum(own) + (self._steps_of_schema * len(strict_json.write({**given})) if self._steps_of_schema else 0)

    @cached_property
    def _steps_of_schema(self) -> int:
        return steps_of(self.pinned)

    def _unfit(self, given: Mapping[str, Any]) -> Iterator[Unfit]:
        for name in sorted(self._fixed & given.keys()):
            yield Unfit(name, "there is no such parameter")
        for name, one in self.arguments.items():
            if one.is_fixed:
                continue
            if name not in given:
                yield Unfit(name, "a value is required")
            elif fault := one.wrong(given[name]):
                yield Unfit(name, fault)

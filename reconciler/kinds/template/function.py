"""Templates of type `function`: one reviewed function of a connector, with a JSON body, parameters, or both."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reconciler.errors import Problem
from reconciler.kinds.connector.serverless import ASYNCHRONOUS
from reconciler.kinds.nearest import near
from reconciler.kinds.rules import Bytes, Fault, Seconds, settle
from reconciler.kinds.template import declared
from reconciler.kinds.template.common import Template, action_faults, caps, connector_of, mismatch
from reconciler.kinds.template.declared import all_fit
from reconciler.kinds.template.json_schema import body_faults
from reconciler.kinds.template.types import TemplateType
from reconciler.model.body import Body
from reconciler.model.fields import FreeJson, Name, Object, Replacing, ShortText
from reconciler.model.kind import Lookup
from reconciler.model.resource import Resource
from reconciler.model.risk import BY_ACCESS, Risk


class Function(Template):
    """One function; the caller gives values, never a function's name."""

    type: Replacing[Literal["function"]] = Field(description="A function that a cloud runs.")
    connector: Annotated[Name, BY_ACCESS] = Field(description="The name of the connector of type `serverless`.")
    function: Annotated[ShortText, Risk("statement-changed")] = Field(
        description="The function, one of the connector's `functions`."
    )
    mode: Annotated[Literal["sync", "async"], Risk("statement-changed")] = Field(
        "sync",
        description="`sync` waits for the result; `async` (aws_lambda) answers with the provider's request id, and nobody sees the result.",
    )
    body: Annotated[FreeJson, Object(), Risk("statement-changed"), Risk("access-widened")] = Field(
        None,
        description="A JSON Schema (Draft 2020-12) of the JSON body that the caller gives as `body`: the function's event. Parameters "
        "are added to it by their names, and win. Without it, the event has the parameters alone.",
    )
    max_response_bytes: Bytes | None = Field(
        None, description="The largest result in bytes. Without it, the connector's bound counts."
    )
    timeout_seconds: Seconds | None = Field(
        None, description="How long it may take, in seconds. Without it, the connector's bound counts."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        yield from action_faults(self, False)
        yield from body_faults(self.body, self.parameters)
        if not isinstance(self.body, dict) or not self.parameters:
            return
        if self.body.get("type") != "object":
            message = "parameters are added to the body by their names, so it has to be of `type: object`"
            yield Fault(("body",), "conflicting-fields", message)
        properties = self.body.get("properties")
        for name in self.parameters:
            if isinstance(properties, dict) and name in properties:
                message = (
                    "the body has a property of this name, and the parameter would always win; leave one of them out"
                )
                yield Fault(("parameters", name), "conflicting-fields", message)


def check(resource: Resource, lookup: Lookup) -> Iterator[Problem]:
    """Rules that need the connector."""
    body, address = resource.body, str(resource.address)
    path, _, connector = connector_of(resource, lookup)
    if connector is None:
        return
    if connector.body["type"] != "serverless":
        yield mismatch(resource.address, path, connector, "serverless", "function")
        return
    listed = connector.body["functions"]
    if body["function"] not in listed:
        message = f"{connector.address} does not list the function {body['function']} in `functions`"
        expected, hint = ", ".join(listed), near(body["function"], listed)
        yield Problem("function-not-in-connector", message, address, ("function",), expected=expected, hint=hint)
    if connector.body.get("read_only"):
        message = f"a function may write, and {connector.address} is read-only"
        yield Problem("connector-read-only", message, address, ("function",))
    if body["mode"] == "async" and connector.body["provider"] not in ASYNCHRONOUS:
        message = f"functions of {connector.body['provider']} answer when they are done; `async` is for aws_lambda"
        yield Problem("conflicting-fields", message, address, ("mode",))
    yield from caps(resource, connector, ("max_response_bytes", "timeout_seconds"))
    yield from declared.problems(resource, connector, all_fit)


def reads(_body: Body) -> bool:
    """Whether it changes nothing: what a function does nobody can tell, so never."""
    return False


def fits(body: Body, _datasource: Body | None, connector: Body) -> bool:
    """Whether the connector lists the function, may call any, and can do so in this mode."""
    if connector["type"] != "serverless" or body["function"] not in connector["functions"]:
        return False
    if connector.get("read_only") is True:
        return False
    return body["mode"] == "sync" or connector["provider"] in ASYNCHRONOUS


TYPE = TemplateType(Function, check, fits, reads, "write")

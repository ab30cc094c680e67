"""What both types of templates share: parameters, and how they find their connector."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from reconciler.errors import Path, Problem
from reconciler.kinds.nearest import near
from reconciler.kinds.rules import Fault
from reconciler.kinds.template.parameter import Parameter, ParameterName
from reconciler.model.access import Description, ForAgents, SharedWith, ToolName
from reconciler.model.address import Address
from reconciler.model.judges import loses_bounds
from reconciler.model.kind import Lookup
from reconciler.model.resource import Resource
from reconciler.model.risk import BY_ACCESS, Risk
from reconciler.model.spec import Spec

Parameters: TypeAlias = Annotated[
    dict[ParameterName, Parameter],
    Field(max_length=100),
    Risk("access-widened", by=loses_bounds),
]


class Template(Spec):
    """What both types have in common."""

    description: Description = ""
    type: str
    parameters: Parameters = Field(
        default_factory=dict,
        description="The values that a caller gives, by name. A template uses exactly the parameters that it declares.",
    )
    tool_name: Annotated[ToolName | None, Risk("statement-changed")] = Field(
        None, description="The name of the tool that agents see, where it is not to be the template's own."
    )
    action: Annotated[Literal["search", "list"] | None, BY_ACCESS] = Field(
        None,
        description="What it does, where that is more than `query` (SQL) or `retrieve` (GET and HEAD); for what only reads.",
    )
    shared_with: Annotated[SharedWith | None, BY_ACCESS] = Field(
        None, description="Projects whose policies may allow this, besides those of the project that declares it."
    )
    runtime: ForAgents = None


def action_faults(template: Template, reads: bool) -> Iterator[Fault]:
    """Only what changes nothing may be called a search or a list."""
    if template.action is not None and not reads:
        message = "this writes, and is judged as `write`; `action` is for templates that only read"
        yield Fault(("action",), "conflicting-fields", message, "leave it out")


def used_as_declared(
    address: Address, declared: Iterable[str], used: Mapping[str, tuple[Path, str]]
) -> Iterator[Problem]:
    """Problems for parameters that are used but not declared, or the other way round.

    ``used`` says for each name where it stands: the path, and in words the place in the text.
    """
    names = tuple(declared)
    for name, (path, where) in used.items():
        if name not in names:
            message = f"`{name}` is used{where} but not declared in `parameters`"
            yield Problem("undeclared-parameter", message, str(address), path, hint=near(name, names))
    for name in names:
        if name not in used:
            message = f"the parameter `{name}` is declared but not used"
            yield Problem("unused-parameter", message, str(address), ("parameters", name), on_key=True)


def connector_of(resource: Resource, lookup: Lookup) -> tuple[Path, Resource | None, Resource | None]:
    """Return the path that names it, the datasource if there is one, and the connector; None for what is not here."""
    tenant, body = resource.address.tenant, resource.body
    if body.get("connector"):
        return ("connector",), None, lookup(Address(tenant, "connector", body["connector"]))
    datasource = lookup(Address(tenant, "datasource", body["datasource"]))
    if datasource is None:
        return ("datasource",), None, None
    return ("datasource",), datasource, lookup(Address(tenant, "connector", datasource.body["connector"]))


def mismatch(address: Address, path: Path, connector: Resource, wanted: str, template: str = "") -> Problem:
    """Return the problem of a connector whose type can't run the template; ``template`` is its type, if not ``wanted``."""
    message = (
        f"a template of type {template or wanted} needs a connector of type {wanted}, and {connector.address} is of type "
        f"{connector.body['type']}"
    )
    return Problem("connector-mismatch", message, str(address), path, expected=wanted)


def caps(resource: Resource, connector: Resource, fields: Iterable[str]) -> Iterator[Problem]:
    """Yield the bounds that a template widens: it may only tighten those of its connector."""
    body, bounds = resource.body, connector.body
    for name in fields:
        own: Any = body.get(name)
        bound: Any = bounds.get(name)
        if own is not None and bound is not None and own > bound:
            message = f"`{name}` is {own}, more than the {bound} that {connector.address} allows"
            yield Problem("cap-exceeds-connector", message, str(resource.address), (name,), expected=f"at most {bound}")

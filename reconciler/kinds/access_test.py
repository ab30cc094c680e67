"""The form of ``access_tests``: what a caller may do and may not, as files say it."""

from collections.abc import Callable, Iterator
from typing import Annotated, Literal, NamedTuple, Self, TypeAlias

from pydantic import Field, model_validator

from reconciler.errors import Path, Place, Problem
from reconciler.kinds.rules import Fault, settle
from reconciler.model.access import Action, Role
from reconciler.model.fields import AnyReference, FreeJson, ItemSet, Name, ShortText
from reconciler.model.spec import Part

KEY = "access_tests"
TestName: TypeAlias = Annotated[str, Field(min_length=1, max_length=127, pattern=r"^[A-Za-z0-9][A-Za-z0-9_. -]*$")]


class Test(Part):
    """One expectation: of a call, or of all the tools that a caller sees."""

    caller: Name = Field(description="The caller's name.")
    roles: ItemSet[Role] = Field((), description="Roles that its token gives, besides its own.")
    claims: Annotated[dict[ShortText, FreeJson], Field(max_length=100)] = Field(
        default_factory=dict, description="What its token claims, for parameters that come `from` it."
    )
    target: AnyReference | None = Field(None, description="What it asks for: `template/NAME` or `plane/NAME`.")
    action: Action | None = Field(None, description="A plane's action. A template's follows from the template.")
    arguments: Annotated[dict[ShortText, FreeJson], Field(max_length=100)] | None = Field(
        None, description="The values of the call. Without them, only the decision is looked at."
    )
    expect: Literal["allow", "deny"] | None = Field(None, description="What is decided.")
    by: AnyReference | None = Field(None, description="The policy that decides it, as `policy/NAME`.")
    tools: ItemSet[ShortText] | None = Field(None, description="The tools that the caller sees: exactly these.")
    optional: bool = Field(False, description="Whether the caller, the target and the roles may be unknown.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        if (self.target is None) == (self.tools is None):
            yield Fault(("target",), "missing-field", "give either `target` and `expect`, or `tools`")
        for name in ("action", "arguments", "expect", "by"):
            if self.target is None and getattr(self, name) is not None:
                yield Fault((name,), "conflicting-fields", f"`{name}` goes with `target`")
        if self.target is not None and self.expect is None:
            yield Fault(("expect",), "missing-field", "`expect` is required beside `target`: allow or deny")


class Tests(Part):
    """What stands under `access_tests`."""

    access_tests: Annotated[dict[TestName, Test], Field(max_length=10_000)] = Field(
        description="What callers may do and may not, by names of your own; `reconciler access test` judges it."
    )


class Case(NamedTuple):
    """A test of one tenant.

    ``document`` tells its document from all others: the file's path and a number. ``locate`` gives a problem with it the place
    of a path in that document.
    """

    name: str
    tenant: str
    test: Test
    place: Place
    document: tuple[str, int]
    locate: Callable[[Problem, Path], Problem]

"""The words of a condition, as values: what a rule may ask of a resource, a change or a plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from reconciler.kinds.literals import Scalar
from reconciler.kinds.rules import Fault, settle
from reconciler.kinds.table import KINDS
from reconciler.kinds.template.parameter import Number
from reconciler.kinds.template.pattern import LinearPattern
from reconciler.model.fields import Items, ShortText, fail
from reconciler.model.spec import Part

if TYPE_CHECKING:
    KindName = str
else:
    KindName = Literal[tuple(KINDS)]

Keys: TypeAlias = tuple[str, ...]


def _path(text: str) -> str:
    if not all(text.split(".")):
        raise fail("invalid-path", "expected a path such as auth.type: names with dots between them")
    return text


def form_of(value: Any) -> str:
    """Return the tag of a field that takes one text or a list of them."""
    return "list" if isinstance(value, list | tuple) else "text"


PathText: TypeAlias = Annotated[ShortText, AfterValidator(_path)]
AnyPath: TypeAlias = Annotated[
    Annotated[PathText, Tag("text")] | Annotated[Annotated[Items[ShortText], Field(min_length=1)], Tag("list")],
    Discriminator(form_of),
]
Globs: TypeAlias = Annotated[
    Annotated[ShortText, Tag("text")] | Annotated[Annotated[Items[ShortText], Field(min_length=1)], Tag("list")],
    Discriminator(form_of),
]
KindNames: TypeAlias = Annotated[
    Annotated[KindName, Tag("text")] | Annotated[Annotated[Items[KindName], Field(min_length=1)], Tag("list")],
    Discriminator(form_of),
]


def keys_of(path: str | Keys | None) -> Keys:
    """Return the keys of a path as a rule writes it; none for None."""
    return tuple(path.split(".")) if isinstance(path, str) else path or ()


def several(value: str | Keys) -> Keys:
    """One text or a list of them, as a list."""
    return (value,) if isinstance(value, str) else value


class Related(Part):
    """Other resources of the same tenant: at least one of them has to be there."""

    kind: KindNames | None = Field(None, description="The kind, or several. Without it, any.")
    field: ShortText | None = Field(None, description="The field that refers, e.g. `target`. Without it, any.")
    with_: Condition | None = Field(
        None, alias="with", description="What has to hold for the other resource. Without it, being there is enough."
    )


class InTenant(Part):
    """Resources of the same tenant: at least one of them has to be there."""

    kind: KindNames = Field(description="The kind, or several.")
    with_: Condition | None = Field(
        None, alias="with", description="What has to hold for the other resource. Without it, being there is enough."
    )


class Condition(Part):
    """A condition: all of its words have to hold. What is missing counts as empty."""

    path: AnyPath | None = Field(
        None,
        description="Where to look, from here: `auth.type`, or a list of keys where one holds a dot. The other words are "
        "about the value there. Without it, they are about what is here.",
    )
    set: bool | None = Field(
        None, description="Whether there is a value that is not empty; a default counts, and so do `false` and 0."
    )
    explicit: bool | None = Field(
        None, description="Whether somebody wrote it (here or in the project's `defaults`), in contrast to a default."
    )
    equals: Scalar | None = Field(None, description="The value is this text, number or boolean.")
    one_of: Annotated[Items[Scalar], Field(min_length=1)] | None = Field(None, description="The value is one of these.")
    like: Globs | None = Field(
        None, description="The text fits this pattern, or one of these: `*` is any text, `?` is one character."
    )
    matches: LinearPattern | None = Field(
        None, description="The whole text matches this regular expression; no look-around, no back-references."
    )
    at_least: Number | None = Field(None, description="The number is this or more.")
    at_most: Number | None = Field(None, description="The number is this or less.")
    size: Condition | None = Field(
        None, description="Holds for the count of items or entries, or of the text's characters; 0 for what is missing."
    )
    some: Condition | None = Field(None, description="Holds for at least one item of the list or value of the map.")
    every: Condition | None = Field(
        None, description="Holds for every item of the list or value of the map, also where there is none."
    )
    key: Condition | None = Field(
        None, description="Holds for the name of what is here: its key in a map, e.g. in `every` or `each`."
    )
    address: Condition | None = Field(
        None, description="Holds for the address of the resource, `tenant/kind/name`, e.g. `{like: acme/*}`."
    )
    referred_by: Related | None = Field(None, description="At least one such resource refers to this one.")
    refers_to: Related | None = Field(
        None, description="This one refers to at least one such resource. An external one does not count."
    )
    in_tenant: InTenant | None = Field(None, description="There is at least one such resource in the same tenant.")
    not_: Condition | None = Field(None, alias="not", description="This condition does not hold.")
    any_of: Annotated[Items[Condition], Field(min_length=1)] | None = Field(
        None, description="At least one of these conditions holds."
    )
    all_of: Annotated[Items[Condition], Field(min_length=1)] | None = Field(
        None, description="All of these conditions hold: for several `path`s."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        if not self.model_fields_set - {"path"}:
            told = "a condition says what has to hold, e.g. `set: true`"
            yield Fault((), "empty-condition", told)
        for word in sorted(self.model_fields_set):
            if getattr(self, word) is None:
                yield Fault((word.rstrip("_"),), "wrong-type", "null is no value here; `set: false` asks for none")


Related.model_rebuild()
InTenant.model_rebuild()
Condition.model_rebuild()
WORDS: tuple[str, ...] = tuple(name for name in Condition.model_fields if name != "path")

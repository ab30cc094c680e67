"""A rule and a file of rules, as values: what they are about, what they expect, and what they say otherwise."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from reconciler.kinds.nearest import near
from reconciler.kinds.rules import Fault, settle
from reconciler.kinds.schema import Shape
from reconciler.kinds.table import KINDS
from reconciler.lint.condition import AnyPath, Condition, PathText, form_of, keys_of, several
from reconciler.lint.known import Ground, faults_of, follow, ground_of, path_fault
from reconciler.load.project_file import RuleName, Severity
from reconciler.model.fields import Items, ShortText, Text
from reconciler.model.spec import Part

CHANGE, PLAN = "change", "plan"
if TYPE_CHECKING:
    Topic = str
else:
    Topic = Literal[(*KINDS, CHANGE, PLAN)]
NAMED = {
    "address": "the resource's address",
    "tenant": "its tenant",
    "kind": "its kind",
    "name": "its name",
    "key": "the key of what `each` found",
    "path": "the path of what `each` found",
}
"""What a message may name as ``{address}``; never a value, which may be a secret."""
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


Topics: TypeAlias = Annotated[
    Annotated[Topic, Tag("text")] | Annotated[Annotated[Items[Topic], Field(min_length=1)], Tag("list")],
    Discriminator(form_of),
]
PathTexts: TypeAlias = Annotated[
    Annotated[PathText, Tag("text")] | Annotated[Annotated[Items[PathText], Field(min_length=1)], Tag("list")],
    Discriminator(form_of),
]


class Rule(Part):
    """One rule: a finding for everything that it is about and that is not as it expects."""

    about: Topics = Field(
        description="What it judges: a kind, a list of kinds, `change` (each change of a plan) or `plan` (the plan as a whole)."
    )
    severity: Severity = Field(description="How grave a finding is: `error`, `warning` or `info`.")
    message: Text = Field(
        min_length=1,
        description="What is wrong, in a sentence. `{address}`, `{tenant}`, `{kind}`, `{name}`, and with `each` `{key}` and `{path}` are replaced.",
    )
    help: Text = Field("", description="What to do next.")
    enabled: bool = Field(
        True, description="False switches the rule off until a project gives it a severity under `lint`."
    )
    environments: Items[ShortText] = Field(
        (), description="Patterns of the environments in which it counts, e.g. `prod*`. Empty means all."
    )
    when: Condition | None = Field(None, description="Which of them it judges. Without it, all.")
    each: PathTexts | None = Field(
        None,
        description="Judges every value at this path (or these paths) in place of the whole: `*` is every key or item, e.g. "
        "`tools.*`.",
    )
    expect: Condition = Field(description="What has to hold; where it does not, there is a finding.")
    at: AnyPath | None = Field(
        None, description="The field whose place a finding shows. Without it, the `path` of `expect`, if it has one."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        topics = several(self.about)
        if len(topics) > 1 and not {CHANGE, PLAN}.isdisjoint(topics):
            yield Fault(("about",), "conflicting-fields", f"`{CHANGE}` and `{PLAN}` each stand alone")
            return
        ground = ground_of(topics)
        if self.when is not None:
            yield from faults_of(self.when, ground, ("when",))
        yield from self._each_faults(ground)
        yield from self._message_faults(topics)

    def _each_faults(self, ground: Ground) -> Iterator[Fault]:
        found = ground
        if self.each is not None:
            shapes: list[Shape] = []
            for number, pattern in enumerate(several(self.each)):
                place = ("each",) if isinstance(self.each, str) else ("each", number)
                below = follow(ground, keys_of(pattern))
                if isinstance(below, Ground):
                    shapes += below.shapes
                else:
                    yield path_fault(place, below)
            found = ground._replace(shapes=tuple(shapes))
        if found.shapes:
            yield from faults_of(self.expect, found, ("expect",))
            below = follow(found, keys_of(self.at))
            if not isinstance(below, Ground):
                yield path_fault(("at",), below)

    def _message_faults(self, topics: tuple[str, ...]) -> Iterator[Fault]:
        known = [] if topics == (PLAN,) else [name for name in NAMED if self.each or name not in {"key", "path"}]
        for name in _PLACEHOLDER.findall(self.message):
            if name not in known:
                told = f"known are {', '.join(f'{{{one}}}' for one in known)}" if known else "there is none here"
                yield Fault(
                    ("message",), "unknown-placeholder", f"a placeholder is not known; {told}", near(name, known)
                )

    def said(self, names: dict[str, str]) -> str:
        """Return the message with its placeholders replaced, in one go: a name is never read as another placeholder."""
        return _PLACEHOLDER.sub(lambda match: names.get(match[1], match[0]), self.message)


class RuleFile(Part):
    """A file of rules for `reconciler lint`."""

    version: Literal[1] = Field(description="Version of this format: 1.")
    rules: dict[RuleName, Rule] = Field(description="The rules, by names of your own.")

"""The shape of a plan's JSON. Terraform's field names where it has them, so that its policy rules can read it; ours beside."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT_VERSION = "1.2"
"""Changes with every change of this shape; a test holds the two together."""

PathPart = str | int
Body = dict[str, Any] | None


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


class SourceDocument(_Part):
    """Where a resource stands in the files."""

    file: str = Field(description="The file, relative to the project's folder.")
    line: int | None = Field(default=None, description="The line, from 1.")
    column: int | None = Field(default=None, description="The column, from 1.")


class FieldDocument(_Part):
    """One field of a change."""

    path: list[PathPart] = Field(description="Keys and list positions from the top of the body.")
    field: str = Field(description="The same path as text, e.g. `auth.token`.")
    op: Literal["add", "remove", "change", "secret", "another-secret"] = Field(
        description="What happens to the field; `secret`: the reference stays, and the value behind it is another one; "
        "`another-secret`: the reference points to another secret than the one that was applied."
    )
    before: Any = Field(description="The value that is live; null if there is none.")
    after: Any = Field(description="The value that is wanted; null if there is none.")
    cause: Literal["configuration", "outside", "both", "tool"] = Field(
        description="Whose doing: the files changed, somebody changed the database, both did, or the tool's default changed."
    )
    source: SourceDocument | None = Field(
        default=None, description="Where the wanted value is written; null where no file writes it."
    )


class ChangeBody(_Part):
    """Terraform's `change`: what is done, from what to what."""

    actions: list[Literal["no-op", "create", "update", "delete", "forget"]] = Field(
        description='Terraform\'s actions; a replace is ["delete", "create"], a move or an adoption ["no-op"].'
    )
    before: Body = Field(description="The whole normalised body that is live.")
    after: Body = Field(description="The whole normalised body that is wanted.")


class TouchDocument(_Part):
    """Who changed a row outside, and when."""

    by: str = Field(description="The person, the program or the database role; `unknown` where that was bypassed.")
    at: str = Field(description="When, as ISO 8601 in UTC; `unknown` where that was bypassed.")


class WrittenDocument(_Part):
    """A field that the author wrote, and where."""

    path: list[PathPart] = Field(description="The keys that lead to it.")
    source: SourceDocument = Field(description="Where its value is written.")


class ResourceChangeDocument(_Part):
    """One address and what happens to it."""

    address: str = Field(description="tenant/kind/name")
    previous_address: str | None = Field(description="For a move: where the resource is now.")
    mode: Literal["managed"] = Field(
        default="managed", description="Terraform's word for what it owns; always `managed`."
    )
    tenant: str = Field(description="The tenant that the resource belongs to.")
    type: str = Field(description="The kind, singular.")
    name: str = Field(description="The resource's name, after the change.")
    action: Literal["create", "update", "replace", "delete", "move", "adopt", "forget"] = Field(
        description="What happens, as one word; `change.actions` says the same in Terraform's."
    )
    action_reason: str = Field(
        description="Why, as a stable word, e.g. `not-in-configuration`; empty if the files say so."
    )
    change: ChangeBody = Field(description="What is done, from what to what.")
    fields: list[FieldDocument] = Field(description="The fields that differ; empty for creations and deletions.")
    cause: Literal["configuration", "outside", "both", "tool"] = Field(
        description="Whose doing the whole change is: the causes of its fields as one."
    )
    outside: TouchDocument | None = Field(description="Set if this overwrites what somebody changed by another way.")
    adopted_from: str | None = Field(description="The project that loses it; empty text if nobody owned it.")
    risks: list[str] = Field(
        default_factory=list,
        description="Risks, the gravest first, e.g. `access-widened`.",
    )
    status: list[str] = Field(
        default_factory=list,
        description="What operators decided about the resource, and what was used of its limits, e.g. `frozen since "
        "2026-11-30T09:12:00Z by ada: incident 7`. Information: no apply judges it, and `digest` is not about it.",
    )
    unchanged_fields: int = Field(description="How many fields of the body stay as they are.")
    uid: str | None = Field(description="The live row's uid.")
    restored_uid: str | None = Field(description="The uid that a creation or replacement brings back; a rollback does.")
    row_version: int | None = Field(description="The live row's version, which must still hold when this is applied.")
    before_digest: str | None = Field(description="BLAKE2b-128 of the canonical JSON of `before`.")
    after_digest: str | None = Field(description="BLAKE2b-128 of the canonical JSON of `after`.")
    explicit: list[list[PathPart]] = Field(description="The paths that the author wrote, in contrast to defaults.")
    source: SourceDocument | None = Field(description="Where it is declared; null for what is not.")
    sources: list[WrittenDocument] | None = Field(
        default=None,
        description="Of a creation or replacement: each path that the author wrote, and where. Absent in large plans.",
    )


class DriftDocument(_Part):
    """A resource that somebody changed or deleted outside since it was last applied."""

    address: str = Field(description="tenant/kind/name")
    type: str = Field(description="The kind, singular.")
    name: str = Field(description="The resource's name.")
    change: ChangeBody = Field(description="From what was applied last to what is live.")
    fields: list[FieldDocument] = Field(description="The fields that somebody changed.")
    by: str = Field(description="Who; `unknown` where that was bypassed.")
    at: str = Field(description="When, as ISO 8601 in UTC; `unknown` where that was bypassed.")


class BlockerDocument(_Part):
    """Why an apply of this plan would be refused."""

    code: str = Field(description="A stable word, e.g. `protected`.")
    message: str = Field(description="What stands in the way.")
    hint: str = Field(description="What lifts it.")
    address: str | None = Field(description="The resource that it is about, if it is about one.")
    others: list[str] = Field(description="Further resources that it is about.")


class RevisionDocument(_Part):
    """The git commit of the configuration."""

    commit: str = Field(description="The commit's full hash.")
    dirty: bool = Field(description="Whether files of the configuration differed from that commit.")


class SummaryDocument(_Part):
    """Counts of changes; a replacement counts as an addition and a destruction."""

    add: int = Field(description="Creations and replacements.")
    change: int = Field(description="Updates.")
    destroy: int = Field(description="Deletions and replacements.")
    move: int = Field(description="Resources that get another name.")
    adopt: int = Field(description="Resources that are taken over, or whose live state is accepted.")
    forget: int = Field(description="Resources that are let go of.")
    unchanged: int = Field(description="Resources that are as they are wanted.")


class SignatureDocument(_Part):
    """The keyed digest of a plan."""

    key: str = Field(description="The id of the key.")
    value: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = Field(
        description="HMAC-SHA-256 of `digest` and `sources_digest`, one behind the other."
    )


class LeftOutDocument(_Part):
    """What the plan knows of and leaves out, of one sort."""

    why: Literal["not-selected", "deletion", "replacement", "not-compared", "not-planned", "ignored"] = Field(
        description="The sort: changes that are not selected, deletions or replacements that are left out, resources that "
        "were not compared, problems for which the rest can't be planned, or fields that ignore rules cover."
    )
    count: int = Field(description="How many.")
    addresses: list[str] = Field(description="The first of them, 20 at most.")


class DependantDocument(_Part):
    """A resource that stays as it is and depends on one that changes."""

    address: str = Field(description="tenant/kind/name.")
    refers_to: list[str] = Field(description="What it refers to, of the resources in this plan.")


class ReachDocument(_Part):
    """One action on one target."""

    action: str = Field(description="What is done, e.g. `query`.")
    target: str = Field(description="With what, e.g. `template/wages`; by its name before, where it is lost.")
    policy: str | None = Field(description="The policy that decides after the plan; null if none does.")
    through: str | None = Field(
        description="What the call runs or reaches, where that is another template or connector than before."
    )


class EffectDocument(_Part):
    """What one caller may do after the plan that it may not do now, or may no longer do."""

    tenant: str = Field(description="The caller's tenant.")
    caller: str = Field(description="The caller's name.")
    roles: list[str] = Field(description="Roles that its token has to bring by `roles_from`, besides its own.")
    way: str | None = Field(
        description="`api_key` or `jwt`, where it holds only for who proves to be the caller this way; else null."
    )
    change: Literal["widened", "narrowed"] = Field(description="Whether it may do this after the plan, or before it.")
    reaches: list[ReachDocument] = Field(description="What it is about, in order of action and target; 20 at most.")
    count: int = Field(description="How many there are of these.")
    causes: list[str] = Field(description="Addresses of the changes that it comes from; 20 at most.")


class AccessSummaryDocument(_Part):
    """Counts of effects on access."""

    subjects: int = Field(description="How many effects there are, listed or not.")
    widened: int = Field(
        description="How many pairs of a caller and a target it may use after the plan and not before."
    )
    narrowed: int = Field(description="How many it may use before the plan and not after.")


class PlanDocument(_Part):
    """A plan: what `reconciler plan --format json` prints and `--out` saves."""

    format_version: Literal["1.2"] = Field(description="Version of this format.")
    tool_version: str = Field(description="Version of the reconciler that made it.")
    project: str = Field(description="The project that it is for.")
    environment: str | None = Field(description="The environment that it is for; null where the project has none.")
    lineage: str | None = Field(
        description="Identity of the project's row in the database; null if it is not there yet."
    )
    generation: int = Field(description="The project's generation when the plan was made.")
    apply_id: str | None = Field(
        description="The apply that made that generation: a database that was restored has others. Null before the first."
    )
    database: str = Field(description="The database's URL without credentials.")
    database_state: Literal["missing", "empty", "foreign", "older", "current", "newer"] = Field(
        description="What the database was; an apply sets up only one that is missing or empty."
    )
    configuration: str = Field(description="Digest of everything that the files want.")
    operation: Literal["apply", "rollback", "revert", "adopt", "forget"] = Field(
        description="The command that made the plan; history keeps it."
    )
    partial: bool = Field(description="Whether only a selection was planned, or deletions were left out.")
    desired_empty: bool = Field(description="Whether the configuration wants nothing at all.")
    owned: int = Field(description="How many live resources the project owns.")
    tenants_gone: list[str] = Field(description="Tenants of which nothing would be left.")
    revision: RevisionDocument | None = Field(description="Where the configuration came from; null outside of git.")
    summary: SummaryDocument = Field(description="Counts.")
    resource_changes: list[ResourceChangeDocument] = Field(description="In the order in which they would be applied.")
    resource_drift: list[DriftDocument] = Field(description="What somebody did since the last apply, changes or not.")
    dependants: list[DependantDocument] = Field(
        description="What stays as it is and depends, over however many steps, on what changes: the nearest first, 1,000 at most."
    )
    notes: list[str] = Field(description="What else somebody who approves this should know.")
    selected: list[str] = Field(description="What was selected, in words; empty where it was everything.")
    left_out: list[LeftOutDocument] = Field(description="What differs and is no part of the plan.")
    blockers: list[BlockerDocument] = Field(description="Why an apply would be refused, as far as the plan can tell.")
    access_effects: list[EffectDocument] = Field(
        default_factory=list,
        description="What callers may do after this that they may not do now, and the other way round; 500 at most. "
        "Information: an apply judges anew.",
    )
    access_summary: AccessSummaryDocument = Field(
        default_factory=lambda: AccessSummaryDocument(subjects=0, widened=0, narrowed=0),
        description="How many there are.",
    )
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of the canonical JSON of what the plan would do: without `revision`, `digest`, "
        "`sources_digest` and `hmac`, every `source` of a change and its fields being null and its `status` empty."
    )
    sources_digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = Field(
        description="SHA-256 of the canonical JSON of where that was written: "
        "`[revision, [[source, [source of each field]] of each change]]`."
    )
    hmac: SignatureDocument | None = Field(
        default=None, description="Keyed digest and the key's id; present where a key is configured."
    )


NAMES = frozenset(name for part in _Part.__subclasses__() for name in part.model_fields)
"""Every name of a field of this format."""

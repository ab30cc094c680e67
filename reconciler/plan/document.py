"""Define the JSON of a plan as types: its decoder, its encoder and its JSON Schema are made from them.

Where Terraform has a field, it has Terraform's name, so that its policy rules can read it; ours stand beside. Fields are
printed in this order. Bodies and values stay JSON text here: only the code that needs one parses it.
"""

from typing import Annotated, Final, Generic, Literal, TypeAlias, TypeVar

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

FORMAT_VERSION: Final = "1.4"
"""Changes with every change of these types; a test holds the two together."""

C = TypeVar("C")
PathDocument: TypeAlias = tuple[str | int, ...]
Body: TypeAlias = Annotated[Raw, Meta(extra_json_schema={"type": ["object", "null"]})]
Digits: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
CauseName: TypeAlias = Literal["configuration", "outside", "both", "tool"]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An object of the format: other fields than its own are refused."""


class SourceDocument(_Part, frozen=True):
    """Where a resource stands in the files."""

    file: Annotated[str, Meta(description="The file, relative to the project's folder.")]
    line: Annotated[int | None, Meta(description="The line, from 1.")] = None
    column: Annotated[int | None, Meta(description="The column, from 1.")] = None


class FieldDocument(_Part, frozen=True):
    """One field of a change."""

    path: Annotated[PathDocument, Meta(description="Keys and list positions from the top of the body.")]
    field: Annotated[str, Meta(description="The same path as text, e.g. `auth.token`.")]
    op: Annotated[
        Literal["add", "remove", "change", "secret", "another-secret"],
        Meta(
            description="What happens to the field; `secret`: the reference stays, and the value behind it is another "
            "one; `another-secret`: the reference points to another secret than the one that was applied."
        ),
    ]
    before: Annotated[Raw, Meta(description="The live value; null if there is none.")]
    after: Annotated[Raw, Meta(description="The wanted value; null if there is none.")]
    cause: Annotated[
        CauseName,
        Meta(description="What changed it: the files, somebody in the database, both, or a default of the tool."),
    ]
    source: Annotated[
        SourceDocument | None, Meta(description="Where the wanted value is written; null where no file writes it.")
    ] = None


class ChangeBody(_Part, frozen=True):
    """Terraform's `change`: what is done, from what to what."""

    actions: Annotated[
        tuple[Literal["no-op", "create", "update", "delete", "forget"], ...],
        Meta(description='Terraform\'s actions; a replace is ["delete", "create"], a move or an adoption ["no-op"].'),
    ]
    before: Annotated[Body, Meta(description="The whole normalised live body.")]
    after: Annotated[Body, Meta(description="The whole normalised wanted body.")]


class TouchDocument(_Part, frozen=True):
    """Who changed a row outside, and when."""

    by: Annotated[
        str, Meta(description="The person, the program or the database role; `unknown` where that was bypassed.")
    ]
    at: Annotated[str, Meta(description="When, as ISO 8601 in UTC; `unknown` where that was bypassed.")]


class WrittenDocument(_Part, frozen=True):
    """A field that the author wrote, and where."""

    path: Annotated[PathDocument, Meta(description="The keys that lead to it.")]
    source: Annotated[SourceDocument, Meta(description="Where its value is written.")]


class ResourceChangeDocument(_Part, frozen=True, kw_only=True):
    """One address and what happens to it."""

    sources: Annotated[
        tuple[WrittenDocument, ...] | UnsetType | None,
        Meta(
            description="Of a creation or replacement: each path that the author wrote, and where. Absent in large plans."
        ),
    ] = UNSET
    address: Annotated[str, Meta(description="The address, as tenant/kind/name.")]
    previous_address: Annotated[str | None, Meta(description="For a move: where the resource is now.")]
    mode: Annotated[Literal["managed"], Meta(description="Terraform's word for what it owns; always `managed`.")] = (
        "managed"
    )
    tenant: Annotated[str, Meta(description="The tenant that the resource belongs to.")]
    type: Annotated[str, Meta(description="The kind, singular.")]
    name: Annotated[str, Meta(description="The resource's name, after the change.")]
    action: Annotated[
        Literal["create", "update", "replace", "delete", "move", "adopt", "forget"],
        Meta(description="What happens, as one word; `change.actions` has it in Terraform's words."),
    ]
    action_reason: Annotated[
        str, Meta(description="Why, as a stable word, e.g. `not-in-configuration`; empty if the files want it.")
    ]
    change: Annotated[ChangeBody, Meta(description="What is done, from what to what.")]
    fields: Annotated[
        tuple[FieldDocument, ...], Meta(description="The fields that differ; empty for creations and deletions.")
    ]
    cause: Annotated[CauseName, Meta(description="The causes of its fields as one.")]
    outside: Annotated[
        TouchDocument | None, Meta(description="Set if this overwrites what somebody changed by another way.")
    ]
    adopted_from: Annotated[str | None, Meta(description="The project that loses it; empty text if nobody owned it.")]
    unchanged_fields: Annotated[int, Meta(description="How many fields of the body stay as they are.")]
    risks: Annotated[tuple[str, ...], Meta(description="Risks, the gravest first, e.g. `access-widened`.")] = ()
    status: Annotated[
        tuple[str, ...],
        Meta(
            description="What operators decided about the resource, and what was used of its limits, e.g. `frozen since "
            "2026-11-30T09:12:00Z by ada: incident 7`. Information: no apply judges it, and `digest` leaves it out."
        ),
    ] = ()
    uid: Annotated[str | None, Meta(description="The live row's uid.")]
    restored_uid: Annotated[
        str | None, Meta(description="The uid that a creation or replacement brings back; a rollback does.")
    ]
    row_version: Annotated[
        int | None, Meta(description="The live row's version, which must still hold when this is applied.")
    ]
    before_digest: Annotated[str | None, Meta(description="BLAKE2b-128 of the canonical JSON of `before`.")]
    after_digest: Annotated[str | None, Meta(description="BLAKE2b-128 of the canonical JSON of `after`.")]
    explicit: Annotated[
        tuple[PathDocument, ...], Meta(description="The paths that the author wrote, in contrast to defaults.")
    ]
    source: Annotated[SourceDocument | None, Meta(description="Where it is declared; null where no file does.")]


class DriftDocument(_Part, frozen=True):
    """A resource that somebody changed or deleted outside since it was last applied."""

    address: Annotated[str, Meta(description="The address, as tenant/kind/name.")]
    type: Annotated[str, Meta(description="The kind, singular.")]
    name: Annotated[str, Meta(description="The resource's name.")]
    change: Annotated[ChangeBody, Meta(description="From the body that was applied last to the live one.")]
    fields: Annotated[tuple[FieldDocument, ...], Meta(description="The fields that somebody changed.")]
    by: Annotated[str, Meta(description="Who; `unknown` where that was bypassed.")]
    at: Annotated[str, Meta(description="When, as ISO 8601 in UTC; `unknown` where that was bypassed.")]


class BlockerDocument(_Part, frozen=True):
    """Why an apply of this plan would be refused."""

    code: Annotated[str, Meta(description="A stable word, e.g. `protected`.")]
    message: Annotated[str, Meta(description="What stands in the way.")]
    hint: Annotated[str, Meta(description="What to do so that it is not refused.")]
    address: Annotated[str | None, Meta(description="The resource that it is about, if it is about one.")]
    others: Annotated[tuple[str, ...], Meta(description="Further resources that it is about.")]


class RevisionDocument(_Part, frozen=True):
    """The git commit of the configuration."""

    commit: Annotated[str, Meta(description="The commit's full hash.")]
    dirty: Annotated[bool, Meta(description="Whether files of the configuration differed from that commit.")]


class SummaryDocument(_Part, frozen=True):
    """Counts of changes; a replacement counts as an addition and a destruction."""

    add: Annotated[int, Meta(description="Creations and replacements.")]
    change: Annotated[int, Meta(description="The number of updates.")]
    destroy: Annotated[int, Meta(description="Deletions and replacements.")]
    move: Annotated[int, Meta(description="Resources that get another name.")]
    adopt: Annotated[int, Meta(description="Resources that are taken over, or whose live state is accepted.")]
    forget: Annotated[int, Meta(description="Resources that are let go of.")]
    unchanged: Annotated[int, Meta(description="Resources that are as they are wanted.")]


class SignatureDocument(_Part, frozen=True):
    """The keyed digest of a plan."""

    key: Annotated[str, Meta(description="The id of the key.")]
    value: Annotated[Digits, Meta(description="HMAC-SHA-256 of `digest` and `sources_digest`, one behind the other.")]


class LeftOutDocument(_Part, frozen=True):
    """What the plan leaves out, of one sort."""

    why: Annotated[
        Literal["not-selected", "deletion", "replacement", "not-compared", "not-planned", "ignored"],
        Meta(
            description="The sort: changes that are not selected, deletions or replacements that are left out, resources "
            "that were not compared, problems for which the rest can't be planned, or fields that ignore rules cover."
        ),
    ]
    count: Annotated[int, Meta(description="How many there are.")]
    addresses: Annotated[tuple[str, ...], Meta(description="The first of them, 20 at most.")]


class DependantDocument(_Part, frozen=True):
    """A resource that stays as it is and depends on one that changes."""

    address: Annotated[str, Meta(description="The address, as tenant/kind/name.")]
    refers_to: Annotated[tuple[str, ...], Meta(description="What it refers to, of the resources in this plan.")]


class ReachDocument(_Part, frozen=True):
    """One action on one target."""

    action: Annotated[str, Meta(description="What is done, e.g. `query`.")]
    target: Annotated[str, Meta(description="With what, e.g. `template/wages`; a lost target by its name before.")]
    policy: Annotated[str | None, Meta(description="The policy that decides after the plan; null if none does.")]
    through: Annotated[
        str | None,
        Meta(description="What the call runs or reaches, where that is another template or connector than before."),
    ]
    approval: Annotated[
        str,
        Meta(
            description="Who has to approve the call after the plan, e.g. `after approval by lead`; empty for nobody."
        ),
    ] = ""


class EffectDocument(_Part, frozen=True):
    """What one caller may do after the plan that it may not do now, or may no longer do."""

    tenant: Annotated[str, Meta(description="The caller's tenant.")]
    caller: Annotated[str, Meta(description="The caller's name.")]
    roles: Annotated[
        tuple[str, ...], Meta(description="Roles that its token has to bring by `roles_from`, besides its own.")
    ]
    way: Annotated[
        str | None,
        Meta(
            description="`api_key` or `jwt`, where it holds only for a caller that authenticates this way; otherwise null."
        ),
    ]
    change: Annotated[
        Literal["widened", "narrowed"], Meta(description="Whether it may do this after the plan, or before it.")
    ]
    reaches: Annotated[tuple[ReachDocument, ...], Meta(description="Actions and targets, in this order; 20 at most.")]
    count: Annotated[int, Meta(description="How many of these there are.")]
    causes: Annotated[tuple[str, ...], Meta(description="Addresses of the changes that it comes from; 20 at most.")]


class AccessSummaryDocument(_Part, frozen=True):
    """Counts of effects on access."""

    subjects: Annotated[int, Meta(description="How many effects there are, listed or not.")]
    widened: Annotated[
        int, Meta(description="How many pairs of a caller and a target it may use after the plan and not before.")
    ]
    narrowed: Annotated[int, Meta(description="How many it may use before the plan and not after.")]


class ReviewedDocument(_Part, frozen=True):
    """A secret that the plan was reviewed with."""

    tenant: Annotated[str, Meta(description="The tenant that the secret belongs to.")]
    name: Annotated[str, Meta(description="The name in `encrypted://NAME`.")]
    uid: Annotated[str, Meta(description="Which one it was: set anew, it has another uid.")]


class PlanDocument(_Part, Generic[C], frozen=True, kw_only=True):
    """A plan: what `reconciler plan --format json` prints and `--out` saves."""

    format_version: Annotated[Literal["1.4"], Meta(description="Version of this format.")]
    tool_version: Annotated[str, Meta(description="Version of the reconciler that made it.")]
    project: Annotated[str, Meta(description="The project that it is for.")]
    environment: Annotated[
        str | None, Meta(description="The environment that it is for; null where the project has none.")
    ]
    lineage: Annotated[
        str | None, Meta(description="Identity of the project's row in the database; null if it is not there yet.")
    ]
    generation: Annotated[int, Meta(description="The project's generation when the plan was made.")]
    apply_id: Annotated[
        str | None,
        Meta(
            description="The apply that made that generation: a database that was restored has others. Null before the "
            "first."
        ),
    ]
    database: Annotated[str, Meta(description="The database's URL without credentials.")]
    database_state: Annotated[
        Literal["missing", "empty", "foreign", "older", "current", "newer"],
        Meta(description="What the database was; an apply sets up only one that is missing or empty."),
    ]
    configuration: Annotated[str, Meta(description="Digest of everything that the files want.")]
    operation: Annotated[
        Literal["apply", "rollback", "revert", "adopt", "forget"],
        Meta(description="The command that made the plan; history keeps it."),
    ]
    partial: Annotated[bool, Meta(description="Whether only a selection was planned, or deletions were left out.")]
    desired_empty: Annotated[bool, Meta(description="Whether the configuration wants nothing at all.")]
    owned: Annotated[int, Meta(description="How many live resources the project owns.")]
    tenants_gone: Annotated[tuple[str, ...], Meta(description="Tenants of which nothing would be left.")]
    revision: Annotated[
        RevisionDocument | None, Meta(description="Where the configuration came from; null outside of git.")
    ]
    summary: Annotated[SummaryDocument, Meta(description="Counts of changes.")]
    resource_changes: Annotated[
        tuple[C, ...], Meta(description="The changes, in the order in which they would be applied.")
    ]
    resource_drift: Annotated[
        tuple[DriftDocument, ...], Meta(description="What somebody did since the last apply, changes or not.")
    ]
    dependants: Annotated[
        tuple[DependantDocument, ...],
        Meta(
            description="Resources that stay as they are and depend, over however many steps, on those that change: the "
            "nearest first, 1,000 at most."
        ),
    ]
    notes: Annotated[tuple[str, ...], Meta(description="Further facts that somebody who approves this should know.")]
    blockers: Annotated[
        tuple[BlockerDocument, ...],
        Meta(description="Why an apply would be refused, as far as the plan can tell."),
    ]
    selected: Annotated[
        tuple[str, ...], Meta(description="What was selected, in words; empty where it was everything.")
    ]
    left_out: Annotated[tuple[LeftOutDocument, ...], Meta(description="What differs and is no part of the plan.")]
    secrets: Annotated[
        tuple[ReviewedDocument, ...] | UnsetType,
        Meta(
            description="The secrets of the database that the changes refer to, in a saved plan; absent where there are none. "
            "An apply refuses the plan when another one stands there."
        ),
    ] = UNSET
    access_effects: Annotated[
        tuple[EffectDocument, ...],
        Meta(
            description="What callers may do after this that they may not do now, and the other way round; 500 at most. "
            "Information: an apply judges anew."
        ),
    ] = ()
    access_summary: Annotated[AccessSummaryDocument, Meta(description="How many effects there are.")] = (
        AccessSummaryDocument(subjects=0, widened=0, narrowed=0)
    )
    digest: Annotated[
        Digits,
        Meta(
            description="SHA-256 of the canonical JSON of what the plan would do: without `revision`, `digest`, "
            "`sources_digest` and `hmac`, every `source` of a change and its fields being null and its `status` empty."
        ),
    ]
    sources_digest: Annotated[
        Digits,
        Meta(
            description="SHA-256 of the canonical JSON of where that was written: "
            "`[revision, [[source, [source of each field]] of each change]]`."
        ),
    ]
    hmac: Annotated[
        SignatureDocument | UnsetType | None,
        Meta(description="Keyed digest and the key's id; present where a key is configured."),
    ] = UNSET

"""``audit`` of reconciler.yaml: where signed heads of the audit trail go."""

from typing import Annotated

from pydantic import Field

from reconciler.load.plain import Plain
from reconciler.model.spec import Part


class HeadSettings(Part):
    """Where applies push signed heads, so that a tail that is cut off the trail later is seen."""

    every: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1, description="Push a head when the trail has passed a multiple of this many entries since the apply before."
    )
    file: Plain | None = Field(
        None,
        description="A file below this one's folder, one head a line. RECONCILER_AUDIT_HEADS names one that lies elsewhere.",
    )
    git_notes: bool = Field(
        False, description="Also append it to the note of the current commit, in refs/notes/reconciler-audit."
    )


class AuditSettings(Part):
    """What happens to the audit trail besides being written."""

    heads: HeadSettings = Field(default_factory=HeadSettings, description="Signed heads, pushed by applies.")

"""The project's file turned into its page."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.render.reference.fields import Notes, field_list
from reconciler.render.reference.prose import paragraph
from reconciler.render.schemas import schemas

EXAMPLE = """\
version: 1
project: payments
default_tenant: acme
include: [manifests/**/*.yaml]
environments:
  dev: {database: "sqlite:///.reconciler/dev.db"}
  prod: {database: postgresql://reconciler@db.internal/platform}
guards: {max_deletes: 5, refuse: [approval-removed]}
"""


def project_page() -> Iterator[str]:
    """Render the reference's page of reconciler.yaml."""
    whole = schemas()["project"]
    fields = dict(whole["properties"])
    # its own fields are those of all kinds
    fields["defaults"] = {key: value for key, value in fields["defaults"].items() if key != "properties"}
    yield "# reconciler.yaml"
    yield ""
    yield from paragraph(
        "Settings of a project, beside or above its manifests. Without it the folder that you name is the whole "
        "configuration; [configuration](../configuration.md) tells more. Fields below `defaults` are those of the kinds."
    )
    yield from ["```yaml", *EXAMPLE.splitlines(), "```", "", "## Fields", ""]
    yield from field_list({**whole, "properties": fields}, whole, Notes())

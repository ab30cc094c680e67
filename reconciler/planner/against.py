"""A canonical export turned back into a live state, for plans where no database may be reached."""

from __future__ import annotations

from typing import Any

from reconciler.errors import IntegrityFailed, Path, Refused
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import canonical, digest, leaves
from reconciler.model.live import Applied, DatabaseState, Live, ProjectRow, Row, frozen


def live_of_export(document: Any, project: str) -> Live:
    """Return what ``export --canonical`` wrote, as if nobody had changed anything since. Raises IntegrityFailed, Refused."""
    try:
        if document["format_version"] != "1.0":
            raise ValueError
        bodies = {Address.parse(text): body for text, body in document["resources"].items()}
        owner, environment = document["project"], document["environment"]
        if not all(isinstance(body, dict) and address.kind in KINDS for address, body in bodies.items()):
            raise ValueError
        noted = {name: frozenset(map(_path, paths)) for name, paths in document.get("moved", {}).items()}
        texts = {address: canonical(body) for address, body in sorted(bodies.items())}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise IntegrityFailed(
            "this is not what `reconciler export --canonical` writes", code="export-malformed", hint="export again"
        ) from None
    if owner != project:
        raise Refused(f"the export is of the project {owner!r}, and this is {project!r}", code="wrong-project")
    rows, applied = {}, {}
    for number, (address, text) in enumerate(texts.items()):
        version, body, uid = KINDS[address.kind].spec_version, bodies[address], f"exported-{number}"
        # what was written and what was a default is not told: nothing is to be taken for news of the tool
        written = frozenset(path for path, _ in leaves(body)) | noted.get(str(address), frozenset())
        rows[address] = Row(address, uid, text, version, 0, project, digest(body))
        applied[address] = Applied(address, uid, text, version, digest(body), 0, written)
    row = ProjectRow(project, "exported", environment, 0)
    return Live(DatabaseState.CURRENT, row, frozen(rows), frozen(applied))


def _path(path: Any) -> Path:
    if type(path) is not list or not all(type(part) is str for part in path):
        raise ValueError
    return tuple(path)

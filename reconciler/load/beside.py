"""Problems of manifests beside an invalid ``reconciler.yaml``, as far as they can be judged without what is wrong there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.errors import ConfigurationInvalid, Problem, Problems
from reconciler.load.load import load
from reconciler.load.project import Project
from reconciler.load.settings import settings_of, sound_part
from reconciler.load.source import read_source

OPEN: Mapping[str, frozenset[str]] = {
    "default_tenant": frozenset({"missing-tenant"}),
    "include": frozenset({"unknown-field", "missing-field", "no-manifest", "missing-tenant", "duplicate-address"}),
    "variables": frozenset({"unknown-variable", "wrong-type"}),
    "environments": frozenset({"unknown-variable", "wrong-type", "no-base-resource", "dangling-reference"}),
    "defaults": frozenset({"missing-field", "missing-value"}),
    "external": frozenset({"dangling-reference"}),
    "secrets": frozenset({"reference-forbidden"}),
}
"""By part of the project file: codes of problems that the part might settle, if it were valid."""


def problems_beside(file: Path, paths: Sequence[str]) -> list[Problem]:
    """Return the problems of the manifests that hold whatever the invalid project file at ``file`` was meant to say."""
    source = read_source(file, Problems())
    raw, lost = sound_part(source.documents[0].value if source is not None and source.documents else None)
    project = Project(file.parent, settings_of(raw), source, raw)
    own = [*paths] if source is not None else [*paths] or [str(file.parent)]
    unsure = frozenset[str]().union(*(OPEN.get(part, frozenset()) for part in lost))
    found: dict[Problem, None] = {}
    environments: list[str | None] = [*project.settings.environments]
    for environment in environments or [None]:
        try:
            load(project, environment, own)
        except ConfigurationInvalid as error:
            found.update(dict.fromkeys(one for one in error.problems if one.code not in unsure))
    return [*found]

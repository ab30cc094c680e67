"""What ``reconciler.yaml`` says, validated and turned into plain values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from msgspec.structs import replace
from pydantic import ValidationError

from reconciler.errors import Problems
from reconciler.kinds.nearest import nearest
from reconciler.kinds.wording import problem_of
from reconciler.load.notifications import destinations_of
from reconciler.load.project_file import ProjectFile, shown_in
from reconciler.load.secret_settings import SchemeSettings
from reconciler.load.source import Source
from reconciler.model.configuration import Guards, Ignore, Retention
from reconciler.model.settings import Environment, External, Heads, IgnoreRule, Include, Lint, Scheme, Secrets, Settings


def read_settings(source: Source, problems: Problems) -> Settings | None:
    """Validate the only document of ``source``; None where it is invalid, with the problems added."""
    raw = source.documents[0].value
    try:
        return _settings_of(ProjectFile.model_validate(raw))
    except ValidationError as error:
        for detail in error.errors(include_input=False, include_url=False):
            problem = replace(problem_of(ProjectFile, raw, detail, ""), address=None)
            problems.add(source.locate(problem, 0, problem.path, shown_in(raw)))
        problems.found[:] = map(source.masking, problems.found)
        return None


def sound_part(raw: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """Return what of a project file is valid, and the names of its parts that are not, or may not be.

    A misspelt name stands for the part that was probably meant.
    """
    parts = ProjectFile.model_fields.keys()
    if not isinstance(raw, dict):
        return {"version": 1}, frozenset(parts)
    kept, lost = {**raw, "version": 1}, set[str]()
    while True:
        try:
            ProjectFile.model_validate(kept)
        except ValidationError as error:
            wrong = {
                str(one["loc"][0]) if one["loc"] else "" for one in error.errors(include_input=False)
            } & kept.keys()
            if not wrong - {"version"}:
                return {"version": 1}, frozenset(parts)
        else:
            return kept, frozenset(lost)
        lost |= wrong | {nearest(one, parts) or one for one in wrong}
        kept = {key: value for key, value in kept.items() if key not in wrong}


def settings_of(raw: dict[str, Any]) -> Settings:
    """Return the settings of a valid project file."""
    return _settings_of(ProjectFile.model_validate(raw))


def _settings_of(file: ProjectFile) -> Settings:
    guards, history, secrets, lint = file.guards, file.history, file.secrets, file.lint
    return Settings(
        file.project,
        file.default_tenant,
        file.database,
        tuple(
            Include(one) if isinstance(one, str) else Include(one.path, one.optional, as_map=True)
            for one in file.include
        ),
        {
            name: Environment(one.database, tuple(one.overlays), _schemes(one.schemes))
            for name, one in file.environments.items()
        },
        file.default_environment,
        Guards(guards.max_deletes, guards.max_delete_percent, guards.outside == "overwrite", frozenset(guards.refuse)),
        tuple(
            IgnoreRule(
                Ignore(one.address, one.field, one.reason, date.fromisoformat(one.until) if one.until else None),
                one.optional,
            )
            for one in file.ignore
        ),
        frozenset(file.defaults),
        Secrets(secrets.keys, secrets.transit, secrets.timeout_seconds, _schemes(secrets.schemes)),
        Retention(history.keep_generations, history.keep_days),
        destinations_of(file.notifications),
        Lint(tuple(lint.rules), lint.disable, lint.severity) if "lint" in file.model_fields_set else None,
        tuple(
            External(one) if isinstance(one, str) else External(one.address, one.project, one.optional)
            for one in file.external
        ),
        Heads(file.audit.heads.every, file.audit.heads.file, file.audit.heads.git_notes),
    )


def _schemes(found: Mapping[str, SchemeSettings]) -> Mapping[str, Scheme]:
    return {
        name: Scheme(
            one.enabled,
            None if one.prefixes is None else tuple(one.prefixes),
            None if one.allow is None else tuple(one.allow),
        )
        for name, one in found.items()
    }

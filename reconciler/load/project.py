"""A project: its folder, and what ``reconciler.yaml`` says."""

from __future__ import annotations

import os
from pathlib import Path as FilePath
from typing import Any

from reconciler.errors import Path, Place, Problem, Problems
from reconciler.kinds.table import KINDS
from reconciler.load.cache import remember_settings, remembered_settings
from reconciler.load.selectors import World
from reconciler.load.source import Source, read_source, shown_name
from reconciler.model.settings import Settings
from reconciler.secrets.policy import Policy

FILE_NAME = "reconciler.yaml"
DEFAULT_PROJECT = "default"
"""Of who names none."""
SERVE_FILE = "serve.yaml"
"""Belongs to whoever runs a server; see ``load/serve_file.py``."""


class Project:
    """The settings, the folder they count from, and the file for its places. Without a file everything is default."""

    def __init__(self, root: FilePath, settings: Settings, source: Source | None, raw: Any) -> None:
        self.root = root
        self.settings = settings
        self.source = source
        self.raw = raw
        self.worlds: dict[str, World] = {}
        """What environments declare, by their names, as far as somebody asked for it."""
        self._names: dict[str, str] = {}

    def own_name(self, path: str) -> str:
        """Return a file's name from the project's folder: the same whatever the working directory is."""
        if path not in self._names:
            # a PATH is given from the working directory; what was piped in has no folder
            whole = path if path.startswith("<") else os.path.abspath(path)
            self._names[path] = shown_name(FilePath(whole), FilePath(os.path.abspath(self.root)))
        return self._names[path]

    def placed(self, place: Place, path: str) -> Place:
        """Return a place in the file at ``path``, by the file's own name."""
        name = self._names.get(path) or self.own_name(path)
        return place if place.file == name else Place(name, place.line, place.column)

    def seen_from_here(self, place: Place) -> Place:
        """Return a place of this project with its file named from the working directory, as messages do."""
        return Place(shown_name(self.root / place.file), place.line, place.column)

    @property
    def has_file(self) -> bool:
        return self.source is not None

    def defaults(self, kind: str) -> tuple[Path, dict[str, Any]] | None:
        """Return the kind's defaults as written, and where they stand."""
        for key in (KINDS[kind].plural, kind):
            if key in self.settings.defaults:
                return ("defaults", key), self.raw["defaults"][key]
        return None

    def variables(self, environment: str | None) -> dict[str, Any]:
        """Return the values as written (a decimal keeps all of its digits); those of the environment win."""
        found: dict[str, Any] = dict(self.raw.get("variables", {}))
        if environment is not None:
            found |= (self.raw["environments"][environment] or {}).get("variables", {})
        return found

    def overlays(self, environment: str | None) -> list[FilePath]:
        """Return the overlay folders of an environment, in their order."""
        named = self.settings.environments[environment].overlays if environment is not None else ()
        return [self.root / name for name in named]

    def secret_policy(self, environment: str | None) -> Policy:
        """Return what a tenant's references may reach; what the environment says wins over the project."""
        schemes = dict(self.settings.secrets.schemes)
        if environment is not None:
            for name, own in self.settings.environments[environment].schemes.items():
                schemes[name] = own.over(schemes.get(name))
        return Policy(
            {name: one.enabled for name, one in schemes.items()},
            {name: one.prefixes for name, one in schemes.items()},
            environment,
            self.settings.project,
            schemes["env"].allow if "env" in schemes else None,
        )

    def problem(self, problem: Problem, path: Path) -> Problem:
        """``problem`` with its place in reconciler.yaml, if there is one."""
        if self.source is None:
            return problem
        from reconciler.load.project_file import shown_in

        return self.source.locate(problem, 0, path, shown_in(self.raw))


def without_file(root: FilePath) -> Project:
    """Return the project of a folder that has no reconciler.yaml."""
    return Project(root, Settings(), None, {})


def read_project(path: FilePath, problems: Problems) -> Project | None:
    """Read and validate ``reconciler.yaml``; None where it can't be used, with the problems added."""
    source = read_source(path, problems)
    if source is None:
        return None
    if len(source.documents) != 1:
        if not problems.found:
            what = "is empty" if not source.documents else "holds several documents"
            problems.add(
                Problem(
                    "project-file",
                    f"{source.name} {what}",
                    place=Place(source.name, 1, 1),
                    hint="write one document that says `version: 1`",
                )
            )
        return None
    if not os.path.realpath(path).startswith(os.path.join(os.path.realpath(path.parent), "")):
        message = f"{source.name} leads out of the project's folder"
        problems.add(Problem("outside-project", message, place=Place(source.name), hint="put the file itself there"))
        return None
    settings = remembered_settings(source.data) or _validated(source, problems)
    return Project(path.parent, settings, source, source.documents[0].value) if settings is not None else None


def _validated(source: Source, problems: Problems) -> Settings | None:
    # the schema and its validators are a tenth of what a small command costs
    from reconciler.load.secret_values import secret_problems, without_doubles
    from reconciler.load.settings import read_settings

    settings = read_settings(source, problems)
    problems.found[:] = without_doubles(
        [
            *problems.found,
            *(one for one in secret_problems(source, source.documents[0]) if one.path[:1] != ("defaults",)),
        ]
    )
    if settings is not None and not problems.found:
        remember_settings(source.data, settings)
    return settings

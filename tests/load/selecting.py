"""A project whose policies select what it declares, and what loading finds of selectors that select nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from reconciler.errors import ConfigurationInvalid, Problem
from tests.load.support import loaded

WORLD: dict[str, Any] = {
    "version": 1,
    "tenant": "acme",
    "connectors": {"warehouse": {"type": "sql", "dialect": "sqlite", "database": "w.db"}},
    "datasources": {
        "sales": {
            "type": "database",
            "connector": "warehouse",
            "tables": ["orders"],
            "access_roles": ["analyst"],
            "classification": "internal",
            "labels": {"team": "red"},
        }
    },
    "templates": {"top": {"type": "sql", "datasource": "sales", "sql": "SELECT id FROM orders"}},
    "callers": {
        "sales-bot": {
            "roles": ["analyst"],
            "labels": {"team": "blue"},
            "auth": {
                "jwt": {"issuer": "corp", "claims": {"a": "b"}, "roles_from": {"claim": "g", "map": {"x": "boss"}}}
            },
        }
    },
}
DENY: dict[str, Any] = {"effect": "deny", "subjects": "any", "actions": "any", "targets": "any"}


def text(policy: dict[str, Any], **more: Any) -> str:
    return yaml.safe_dump({**WORLD, "policies": {"p": {**DENY, **policy}}, **more})


def errors(folder: Path, files: dict[str, str]) -> list[Problem]:
    try:
        loaded(folder, files)
    except ConfigurationInvalid as error:
        return [*error.problems]
    return []


def warnings(folder: Path, files: dict[str, str]) -> list[str]:
    found = loaded(folder, files)
    return [problem.message for problem in found.judgement.warnings]

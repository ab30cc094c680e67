"""A file turned into the access tests in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace
from pydantic import ValidationError

from reconciler.errors import Path, Problem, Problems
from reconciler.kinds.access_test import KEY, Case, Tests
from reconciler.kinds.schema import shown
from reconciler.kinds.wording import problem_of
from reconciler.load.secret_values import secret_problems
from reconciler.load.source import Source
from reconciler.model.address import is_name


def cases_of(source: Source, default_tenant: str | None, problems: Problems) -> Iterator[Case]:
    """Yield every test of a file, once for each tenant of its document; documents without tests are skipped.

    Adds what is wrong with tests to ``problems``.
    """
    for index, document in enumerate(source.documents):
        value = document.value
        if not isinstance(value, dict) or KEY not in value:
            continue
        problems.found += secret_problems(source, document)
        tests = tests_of(source, index, value, problems.found)
        if tests is None:
            continue
        tenants = _tenants(value, default_tenant)
        if not tenants:
            hint = "add `tenant: NAME`, or `default_tenant` to reconciler.yaml"
            problems.add(
                Problem("missing-tenant", "these tests name no tenant", place=source.place(index, (KEY,)), hint=hint)
            )
        for tenant in tenants:
            for name, test in tests.access_tests.items():
                place = source.place(index, (KEY, name), on_key=True)
                yield Case(name, tenant, test, place, (source.path, index), partial(_located, source, index))


def tests_of(source: Source, index: int, document: Mapping[str, Any], problems: list[Problem]) -> Tests | None:
    """Return the tests of a document; None where their form is wrong, and what is wrong is added to ``problems``."""
    raw = {KEY: document[KEY]}
    try:
        return Tests.model_validate(raw)
    except ValidationError as error:
        for detail in error.errors(include_input=False, include_url=False):
            problem = replace(problem_of(Tests, raw, detail, ""), address=None)
            problems.append(source.locate(problem, index, problem.path, partial(shown, (Tests,), raw)))
        return None


def _located(source: Source, index: int, problem: Problem, path: Path) -> Problem:
    return source.locate(problem, index, path, lambda _path: False)


def _tenants(document: Mapping[str, Any], default: str | None) -> list[str]:
    listed = document.get("tenants", [document.get("tenant", default)])
    return [name for name in listed if is_name(name)] if isinstance(listed, list) else []

"""The JSON Schemas with their checkers, for tests that hold documents against them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry

from reconciler.load.documents import read_documents
from reconciler.render.schema_values import Schema
from reconciler.render.schemas import schemas
from tests.conftest import ROOT

SCHEMAS = schemas()
FOLDER = ROOT / "schemas"
# an empty registry: nothing is ever fetched
CHECKERS = {name: Draft202012Validator(schema, registry=Registry()) for name, schema in SCHEMAS.items()}


def _json(value: Any) -> Any:
    """What a document looks like to a program that knows no decimals."""
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def documents(text: str, file: str = "a.yaml") -> list[Any]:
    found, problems = read_documents(text.encode(), file)
    assert not problems, problems
    return [_json(document.value) for document in found]


def faults(name: str, value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in CHECKERS[name].iter_errors(value)]


def _walk(schema: Any, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema inside of one, without the conditions of `if`, which describe nothing."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from _walk(item, f"{path}/{index}")
    elif isinstance(schema, dict):
        yield path, schema
        for key, item in schema.items():
            if key not in {"if", "default", "enum"}:
                yield from _walk(item, f"{path}/{key}")


# -- the files

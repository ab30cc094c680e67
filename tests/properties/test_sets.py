"""Rows written as sets, however few they are: what many changes take does what a few changes do."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given

from reconciler.store import bulk, creations

from .arena import Arena
from .strategies import dice, examples
from .test_pairs import _pairs

DIFFERENT = """SELECT a.tenant, a.kind, a.name FROM applied a JOIN changes c
ON (c.project, c.generation, c.tenant, c.kind, c.name) = (a.project, a.generation, a.tenant, a.kind, a.name)
AND c.action <> 'delete'
WHERE c.uid <> a.uid OR c.after <> a.spec OR c.explicit <> a.explicit OR c.spec_version <> a.spec_version
OR COALESCE(c.source, '') <> COALESCE(a.source, '') OR c.cause NOT IN ('configuration', 'outside', 'both', 'tool')"""
"""What history says of the last change, and what was applied last; a name may be freed and taken by one apply."""
MISNUMBERED = """SELECT project, generation FROM changes GROUP BY project, generation
HAVING count(*) <> max(position) OR count(*) <> count(DISTINCT position) OR min(position) <> 1"""


def as_sets(arena: Arena, folder: Path, data: bytes) -> None:
    with patch.object(bulk, "MANY", 1):
        _pairs(arena, folder, data)
    assert arena.sql(DIFFERENT) == []
    assert arena.sql(MISNUMBERED) == []
    assert arena.sql("SELECT row_version FROM resources GROUP BY row_version HAVING count(*) > 1") == []


@examples(120)
@given(data=dice(900))
def test_on_sqlite(sqlite: Arena, manifests: Path, data: bytes) -> None:
    as_sets(sqlite, manifests, data)


@examples(40)
@given(data=dice(900))
def test_on_postgresql(postgresql: Arena, manifests: Path, data: bytes) -> None:
    as_sets(postgresql, manifests, data)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_creations_are_staged(kind: str, manifests: Path, request: pytest.FixtureRequest) -> None:
    """The two above would say nothing if they took the ordinary way."""
    arena: Arena = request.getfixturevalue(kind)
    with patch.object(creations, "stage", wraps=creations.stage) as stage:
        as_sets(arena, manifests, bytes(range(256)) * 4)
    assert stage.called

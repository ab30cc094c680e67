"""What is live and what is wanted, at random: an apply does what the reference says, and nothing else."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given

from .arena import Arena
from .bodies import Pick
from .story import Story
from .strategies import dice, examples
from .wishes import opening, turn


def _pairs(arena: Arena, folder: Path, data: bytes) -> None:
    """Four applies: two on rows that nobody touched, two after people changed some by hand."""
    pick, story = Pick(data, ()), Story(arena, folder)
    want, others = opening(pick, story)
    for _ in range(2):
        following, external = turn(pick, story, want, others)
        result = story.apply("shop", following, external)
        if not result.refused:
            want = following


@examples(500)
@given(data=dice(900))
def test_pairs_on_sqlite(sqlite: Arena, manifests: Path, data: bytes) -> None:
    _pairs(sqlite, manifests, data)


@examples(100)
@given(data=dice(900))
def test_pairs_on_postgresql(postgresql: Arena, manifests: Path, data: bytes) -> None:
    _pairs(postgresql, manifests, data)

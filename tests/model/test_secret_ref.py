"""References to secrets as they stand in bodies."""

from __future__ import annotations

import random

import pytest

from reconciler.model.body import Body, canonical
from reconciler.model.secret_ref import references_in, references_written
from tests.kinds.full import FULL, bodies

REFERENCES = (
    "vault://kv/acme/openai#api_key", "vault://kv/a/b.c=d@e+f-g?version=12#k.e-y", "encrypted://openai", "env://API_KEY",
    "aws-sm://acme/openai#api_key", "aws-sm://acme/openai?version=AWSCURRENT",
)  # fmt: skip
OTHERS = (
    "",
    "vault://",
    "env://lower",
    'a "quote" env://A',
    "https://h/vault://x",
    "ünï://\u2028",
    "env://A\\",
    None,
    7,
    True,
    [],
    {},
)


def some(dice: random.Random, depth: int = 3) -> object:
    if depth and dice.random() < 0.5:
        items = [some(dice, depth - 1) for _ in range(dice.randint(0, 3))]
        return items if dice.random() < 0.5 else {dice.choice(["a", "b", "plain", '"']): item for item in items}
    return dice.choice(REFERENCES if dice.random() < 0.5 else OTHERS)


def assert_written(body: Body) -> int:
    found = {use.reference for use in references_in(body)}
    assert found <= {*references_written(canonical(body))}
    return len(found)


def test_the_text_of_a_body_has_all_of_its_references() -> None:
    dice = random.Random(4711)
    counts = [assert_written({"config": some(dice), "x": some(dice), "labels": {"a": some(dice)}}) for _ in range(2000)]
    assert sum(counts) > 1000


@pytest.mark.parametrize(("kind", "variant"), FULL)
def test_so_has_that_of_every_kind(kind: str, variant: str) -> None:
    for body in bodies(kind, variant):
        assert_written(body)

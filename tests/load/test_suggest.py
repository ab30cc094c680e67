"""What may have been meant, also among many names, and in no time."""

from __future__ import annotations

import time

import pytest

from reconciler.kinds.nearest import nearest
from reconciler.load import suggest
from reconciler.load.suggest import Known
from reconciler.model.address import Address

NAMES = [f"connector-{number}" for number in range(1000)]


@pytest.mark.parametrize("pattern", ["konnector-{}", "conector-{}", "connecotr-{}", "connector_{}", "Connector{}"])
def test_the_nearest_of_many_names(pattern: str) -> None:
    start = time.process_time()
    assert [nearest(pattern.format(number), NAMES) for number in range(100)] == NAMES[:100]
    assert time.process_time() - start < 6
    assert nearest("something-else", NAMES) is None


def test_suggestions_end_before_they_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggest, "BUDGET", 2500)
    known = Known([Address("acme", "connector", name) for name in NAMES])
    target = Address("acme", "connector", "konnector-1")
    assert [known.near(target) for _ in range(3)] == ["connector-1", "connector-1", None]
    assert known.instead_of(target) == f"declare {target}, or list it under `external` if another project does"

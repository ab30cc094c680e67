"""Whether a resource is in use, by its spec and its status."""

from __future__ import annotations

import pytest

from reconciler.kinds.lifecycle import UseStatus, usable
from reconciler.model.body import Body

SUSPENDED = UseStatus(suspended_by="ada", suspended_reason="leak")


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({}, UseStatus(), True),
        ({"enabled": True, "lifecycle": "active"}, UseStatus(), True),
        ({"enabled": False}, UseStatus(), False),
        ({"lifecycle": "inactive"}, UseStatus(), False),
        ({"enabled": True}, SUSPENDED, False),
        ({"enabled": True}, UseStatus(error="401"), False),
        ({"enabled": True}, UseStatus(error=""), False),
    ],
)
def test_usable(body: Body, status: UseStatus, expected: bool) -> None:
    assert usable(body, status) is expected

"""A notification of which nobody knows whether it is queued is no notification that was not queued."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from reconciler.cli.notifying import tell_of
from reconciler.cli.workspace import Workspace
from reconciler.errors import OutcomeUnknown, ReconcilerError
from reconciler.model.notification import Destination
from reconciler.model.settings import Settings
from reconciler.store import outbox

HOOK = Destination("hook", "webhook", "https://example.com", None, frozenset({"drift"}))


def _told(monkeypatch: pytest.MonkeyPatch, error: Exception) -> bool:
    def fails(*_: Any) -> None:
        raise error

    monkeypatch.setattr(outbox, "enqueue_alone", fails)
    workspace = SimpleNamespace(name="shop", project=SimpleNamespace(settings=Settings(destinations=(HOOK,))))
    return tell_of(cast(Workspace, workspace), cast(Any, None), cast(Any, {"type": "reconciler.drift"}))


def test_an_unknown_outcome_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutcomeUnknown):
        _told(monkeypatch, OutcomeUnknown("the connection ended during the commit"))


def test_what_was_not_queued_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert not _told(monkeypatch, ReconcilerError("the disk is full"))
    assert "the notification was not queued: the disk is full" in capsys.readouterr().err

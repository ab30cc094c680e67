"""References asked of a scheme, and what errors may say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest

from reconciler.errors import ReconcilerError
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.fetch import Fetch, Fetched, Outside
from reconciler.secrets.schemes import vault as vault_scheme

TIMEOUT = 5.0


class HasUrl(Protocol):
    """A Vault of ours, or a real one."""

    @property
    def url(self) -> str: ...


def outside(server: HasUrl, timeout: float = TIMEOUT, **environ: str) -> Outside:
    """An environment with the server's address, and its root's token where nothing else is said."""
    given = {f"VAULT_{name}": text for name, text in environ.items() if not name.startswith("BAO_")}
    given |= {name: text for name, text in environ.items() if name.startswith("BAO_")}
    return Outside({"VAULT_ADDR": server.url, "VAULT_TOKEN": "root-token", "HOME": "/nonexistent", **given}, timeout)


def fetcher(server: HasUrl, timeout: float = TIMEOUT, **environ: str) -> Fetch:
    return vault_scheme.connect(outside(server, timeout, **environ))


def ask(fetch: Fetch, text: str, tenant: str = "acme") -> Fetched:
    return fetch(tenant, SecretRef.parse(text))


def refused(work: Callable[[], Any], kind: type[ReconcilerError], *words: str, code: str | None = None) -> str:
    """``work`` fails with exactly this kind, and the message has these words; returns all of its text."""
    with pytest.raises(kind) as caught:
        work()
    problem = caught.value.problems[0]
    text = f"{problem.message}\n{problem.hint or ''}"
    assert type(caught.value) is kind, text
    for word in words:
        assert word in text, text
    if code is not None:
        assert problem.code == code
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__, (
        "a traceback would show the client's text"
    )
    return text

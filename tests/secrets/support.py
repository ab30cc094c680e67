"""Command lines about secrets, in this process or in one of their own, and what they left in the database."""

from __future__ import annotations

import io
import os
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from reconciler.cli import run
from reconciler.credentials.keep import opener
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.fetch import Opened
from reconciler.secrets.keys import read_keys
from reconciler.secrets.ring import Ring, ring_of
from reconciler.store.secrets import Actor
from reconciler.store.url import Database
from tests.conftest import Db, Ran, command_environment, reconciler
from tests.store.support import database_of

ACTOR = Actor("tester")
VALUE = "sk-live-of-nobody"


@dataclass(frozen=True)
class Kept:
    """A database with secrets, and the key file that opens them."""

    db: Db
    folder: Path
    key_file: Path

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        own = {
            "RECONCILER_DATABASE_URL": self.db.url,
            "RECONCILER_PROJECT": "shop",
            "RECONCILER_KEY_FILE": str(self.key_file),
        }
        return {**own, **more}

    def __call__(self, *arguments: str, stdin: str | bytes = "", **more: str) -> Ran:
        """``reconciler secrets ...``, without the time that a new process takes."""
        return self.command("secrets", *arguments, stdin=stdin, **more)

    def command(self, *arguments: str, stdin: str | bytes = "", **more: str) -> Ran:
        """``reconciler ...``, in this process too."""
        given = io.TextIOWrapper(io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin))
        out, err = io.StringIO(), io.StringIO()
        with (
            chdir(self.folder),
            patch.dict(os.environ, command_environment(self.environment(more)), clear=True),
            redirect_stdout(out),
            redirect_stderr(err),
            patch.object(sys, "stdin", given),
        ):
            code = run([*arguments])
        return told(Ran(code, out.getvalue(), err.getvalue()))

    def process(self, *arguments: str, stdin: str = "", **more: str) -> Ran:
        ran = reconciler("secrets", *arguments, cwd=self.folder, env=self.environment(more), stdin=stdin)
        return told(ran)

    @property
    def database(self) -> Database:
        return database_of(self.db)

    @property
    def ring(self) -> Ring:
        """As the key file is now."""
        found = ring_of(read_keys(self.key_file), None)
        assert found is not None
        return found

    def opener(self, purpose: str = "test") -> Opened:
        return opener(self.database, self.ring, ACTOR, purpose)

    def value(self, name: str, tenant: str = "acme") -> str:
        return self.opener()(tenant, SecretRef("encrypted", name)).secret.reveal()

    def events(self, *arguments: str) -> list[str]:
        """What the access log says, oldest first."""
        entries = self("access-log", "--limit", "100000", "--format", "json", *arguments).ok().json["entries"]
        return [str(entry["event"]).removeprefix("secret-") for entry in reversed(entries)]

    def key_states(self) -> dict[str, dict[str, Any]]:
        return {one["key"]: one for one in self("keys", "list", "--format", "json").ok().json["keys"]}


def told(ran: Ran) -> Ran:
    """Whatever went wrong was expected by somebody."""
    assert "Traceback" not in ran.text, ran.text
    assert "internal-error" not in ran.text, ran.text
    return ran


def clear(ran: Ran, code: int, word: str) -> Ran:
    """One error with its code, and a value nowhere."""
    ran.ok(code)
    assert ran.err.count("Error: ") == 1, ran.err
    assert f"[{word}]" in ran.err, ran.err
    assert VALUE not in ran.text
    return ran

"""Turns a database URL into what the store opens and what a person may read."""

from __future__ import annotations

import os
import re
import shlex
import time
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import ReconcilerError, UsageError
from reconciler.patterns import regex
from reconciler.store.bounds import Bounds

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from reconciler.secrets.keys import Keys

EXPECTED = "sqlite:///relative/path.db, sqlite:////absolute/path.db or postgresql://user@host:5432/database"

MASK = "***"
OWN_FOLDER = ".reconciler"
"""The folder that is made for a database, beside the manifests; git ignores it."""


class Database(Struct, frozen=True):
    """``url`` is PostgreSQL's, ``path`` SQLite's file; ``display`` carries no password. ``keys`` seal what was applied."""

    url: URL | None
    path: Path | None
    display: str
    keys: Keys | None = None
    bounds: Bounds = Bounds()
    ends: float = inf
    """The moment (time.monotonic) at which every connection of this command ends."""

    def __repr__(self) -> str:
        return f"Database({self.display})"

    def from_now(self) -> Database:
        """Return the same for a command, or a part of one, that begins now."""
        return replace(self, ends=time.monotonic() + self.bounds.total)

    @property
    def is_sqlite(self) -> bool:
        return self.path is not None

    def name_in(self, root: Path) -> str:
        """Return what plans of the project at ``root`` call it: the same whichever folder a command runs in."""
        return self.display if self.path is None else f"sqlite:///{_short(self.path, root)}"

    @property
    def is_missing(self) -> bool:
        """Whether there surely is nothing to open."""
        try:
            return self.path is not None and not self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False

    def make_folder(self) -> None:
        """Make `.reconciler` where the file is to lie in it. Raises ReconcilerError for any other folder, OSError."""
        if self.path is None or self.path.parent.is_dir():
            return
        folder = self.path.parent
        if folder.name != OWN_FOLDER or not folder.parent.is_dir():
            raise self._without(folder)
        folder.mkdir(exist_ok=True)
        (folder / ".gitignore").write_text("*\n")

    def _without(self, folder: Path) -> ReconcilerError:
        """Return the error for a file whose folder is missing: a misspelt path would otherwise begin a new database."""
        above = next((one for one in folder.parents if one.exists()), Path())
        if not os.access(above, os.W_OK | os.X_OK):
            message = f"{self.display} can't be used: Permission denied ({above})"
            return ReconcilerError(message, code="database-unreachable", hint="name a folder that can be written to")
        return ReconcilerError(
            f"{self.display} can't be used: there is no folder {folder}",
            code="database-unreachable",
            hint=f"correct the database's URL, or make the folder: mkdir -p {shlex.quote(str(folder))}",
        )

    @property
    def is_shared(self) -> bool:
        """Whether other projects are likely to live in it."""
        return self.path is None


def parse_database(url: str, folder: Path) -> Database:
    """Relative SQLite paths start at ``folder``. Raises UsageError, which never repeats the URL's password."""
    text = re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql+psycopg://", url.strip())
    if text.startswith("sqlite:"):
        return _sqlite(text, folder)
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(text)
    except (ArgumentError, ValueError):
        raise UsageError("the database URL can't be read", code="database-url", hint=f"expected {EXPECTED}") from None
    if parsed.drivername == "postgresql+psycopg":
        return _postgresql(parsed)
    scheme = parsed.drivername.partition("+")[0]
    raise UsageError(
        f"databases of the type {scheme!r} are not supported", code="database-url", hint=f"expected {EXPECTED}"
    )


def _sqlite(text: str, folder: Path) -> Database:
    """Read here: where the file is not there yet, nothing of SQLAlchemy is needed."""
    name = text.removeprefix("sqlite:///")
    if name == text or "?" in name or name in {"", ":memory:"}:
        raise UsageError(
            "the database URL names no SQLite file",
            code="database-url",
            hint="expected sqlite:///relative/path.db or sqlite:////absolute/path.db; memory can't be shared by plan and apply",
        )
    path = Path(folder, unquote(name)).resolve()
    return Database(None, path, f"sqlite:///{_short(path, Path.cwd())}")


def _postgresql(parsed: URL) -> Database:
    if "@" in (parsed.host or ""):
        # what stands before it is the rest of a password, and would be shown as a part of the host
        raise UsageError(
            "the database URL can't be read: there is more than one @ before the host",
            code="database-url",
            hint="write an @ inside a user or a password as %40",
        )
    if "%2f" in (parsed.host or "").lower():  # libpq's way to name the folder of a socket
        parsed = parsed._replace(host=None).update_query_dict({"host": unquote(parsed.host or "")})
    shown = parsed.set(drivername="postgresql")
    shown = shown.set(query=dict(_shown_option(key, value) for key, value in shown.query.items()))
    text = shown.render_as_string(hide_password=True)
    return Database(parsed, None, text.replace(quote(MASK), MASK).replace("%2F", "/"))


_HARMLESS = frozenset(
    [
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "sslcrl",
        "sslnegotiation",
        "channel_binding",
        "gssencmode",
        "connect_timeout",
        "application_name",
        "client_encoding",
        "target_session_attrs",
        "load_balance_hosts",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
    ]
)
"""Options of libpq (PostgreSQL manual, 34.1.2) whose values are shown; of all others neither name nor value is."""
_KNOWN = _HARMLESS | {"password", "sslpassword", "passfile", "options", "service"}
_SETTINGS = regex(r"(?:\s*-c\s*(?:search_path|timezone|role|[a-z_]*timeout)=[\w,./+-]+)+\s*\Z", re.IGNORECASE)
"""Settings in ``options`` that tell databases of one server apart, or bound statements."""


def _shown_option(key: str, value: str | tuple[str, ...]) -> tuple[str, str | tuple[str, ...]]:
    """Return an option as it may be shown: an unknown name may be the rest of a password that holds an ``&``."""
    if key in _HARMLESS or (key == "options" and isinstance(value, str) and _SETTINGS.match(value)):
        return key, value
    return key if key in _KNOWN else MASK, MASK


def _short(path: Path, folder: Path) -> str:
    """Relative to ``folder`` where the file is below it."""
    try:
        return str(path.relative_to(folder.resolve()))
    except ValueError:
        return str(path)

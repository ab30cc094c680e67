"""The nouns of a call as connectors see it: what is to be done, what came back, why it did not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from msgspec import Struct, field

from reconciler.access.resource import Resource
from reconciler.access.target import Target
from reconciler.codes import Code
from reconciler.load.serve_file import TENANT
from reconciler.model.address import is_name
from reconciler.runtime.guardrails.tool_call import CallInspection

Resolve = Callable[[str, str], Awaitable[str]]
"""From a tenant and a reference to the secret behind it; raises Failed where there is none."""
REFUSING = frozenset({401, 403})
"""Statuses by which another side refuses a credential."""


class StdioPermit(NamedTuple):
    """A program that the operator of the server permits, with the arguments and variables that it may be started with.

    A `*` in one of ``args`` stands for text, in which no step of a path leads up. ``sha256`` is the program's, "" for any.
    """

    name: str
    command: str
    args: tuple[str, ...] = ()
    env: frozenset[str] = frozenset()
    sha256: str = ""
    processes: int = 4
    memory_mib: int = 1024

    def allows(self, arguments: Sequence[str], environment: Iterable[str]) -> bool:
        """Whether the program may be started with these arguments and variables."""
        return (
            len(arguments) == len(self.args)
            and all(map(_fits, self.args, arguments))
            and self.env.issuperset(environment)
        )


def _fits(pattern: str, text: str) -> bool:
    return text == pattern or (fnmatchcase(text, pattern) and ".." not in text.split("/") and "\0" not in text)


class Permits(NamedTuple):
    """What the operator of the server permits beyond what is public: networks, folders, programs by name.

    A folder is a real path, in which ``${tenant}`` may stand for a tenant's name. ``tenants`` permits more to single tenants.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    sqlite_roots: tuple[Path, ...] = ()
    """Folders whose SQLite files may be opened."""
    tenants: Mapping[str, Permits] = MappingProxyType({})
    stdio: Mapping[str, StdioPermit] = MappingProxyType({})
    file_roots: tuple[Path, ...] = ()
    """Folders whose files of any sort may be listed, read and written."""

    def of(self, tenant: str) -> Permits:
        """Return the permits of one tenant.

        The name comes from the database, where anybody may write: text that is no name fills no folder's name.
        """
        own = self.tenants.get(tenant, Permits())
        return Permits(
            (*self.networks, *own.networks),
            _of_tenant(tenant, (*self.sqlite_roots, *own.sqlite_roots)),
            stdio={**self.stdio, **own.stdio},
            file_roots=_of_tenant(tenant, (*self.file_roots, *own.file_roots)),
        )


def _of_tenant(tenant: str, roots: Iterable[Path]) -> tuple[Path, ...]:
    """Return folders with a tenant's name filled in, without those that need one where it has none."""
    if is_name(tenant):
        roots = [Path(str(root).replace(TENANT, tenant)) for root in roots]
    return tuple(root for root in roots if TENANT not in str(root))


class Subject(NamedTuple):
    """Whose token may be exchanged for one of theirs: the token that proved a caller, and when it ends, in Unix time."""

    token: str
    expires: float


def _note_nothing(_tenant: str, _secret: str) -> None:
    return None


class Surroundings(NamedTuple):
    """What a connector is opened with; ``permits`` are those of the connector's tenant.

    ``resolve_anew`` asks for a secret past what was kept of it, once it was refused.

    ``control`` recognises the databases of the configuration and of the runtime, which no template may reach: SQLite's
    (device, inode) and ("path", path), PostgreSQL's (system identifier, name of the database).
    """

    resolve: Resolve
    resolve_anew: Resolve
    permits: Permits
    control: frozenset[tuple[Any, Any]] = frozenset()
    note: Callable[[str, str], None] = _note_nothing
    """Is told of each secret that was had otherwise for a tenant: none of its answers may hold one."""
    tokens: Any = None
    """The access tokens that this process keeps (``connectors.oauth.Tokens``)."""
    seen: Any = None
    """What this process last saw of MCP servers (``mcp.seen.Seen``); None where nobody keeps it."""
    messages: Any = None
    """The outbox of messages (``messages.Messages``); None where nobody delivers any."""


class EmbeddedText(NamedTuple):
    """A text that a model of an integration turns into a vector; ``dimensions`` is its length, None for the model's own."""

    integration: str
    model: str
    text: str
    dimensions: int | None = None


Embed = Callable[[EmbeddedText, float], Awaitable[Sequence[float]]]
"""From a text to its vector, until a deadline in the event loop's time; raises Failed. It is a call of its own, for the same caller."""


class Call(Struct):
    """One call, decided and within its limits.

    ``values`` has every parameter (None is NULL), ``body`` the JSON that is sent; ``deadline`` is in the event loop's time. A
    connector sets ``effect`` before the outside may see a byte.
    """

    target: Target
    values: Mapping[str, Any]
    deadline: float
    body: Any = None
    effect: bool = field(default=False)
    subject: Subject | None = None
    """Who calls, where a token proved it."""
    inspection: CallInspection | None = None
    """The guardrails that are about it."""
    embed: Embed | None = None
    """Turns texts into vectors, where the target asks an integration."""

    @property
    def tenant(self) -> str:
        return self.target.tenant

    @property
    def operation(self) -> Resource:
        """What says what is done."""
        return self.target.operation

    @property
    def datasource(self) -> Resource | None:
        """What holds the data that is read; None where the connector is asked alone."""
        return next(iter(self.target.data), None)

    @property
    def connector(self) -> Resource:
        return self.target.connector


class Answer(NamedTuple):
    """``content`` is JSON as Python values; ``size`` its bytes as they came; ``cut``: there was more than the cap on rows.

    ``json`` is the content as strict JSON: the mediator writes it before it settles a call, so that nothing that comes
    after the effect can fail. ``status`` is what an HTTP upstream answered. ``is_error``: the other side says that it failed,
    and the content is what it says of that.
    """

    content: Any
    rows: int | None
    size: int
    cut: bool = False
    json: bytes = b""
    status: int | None = None
    is_error: bool = False


class Failed(Exception):
    """A call that failed.

    ``outcome`` is failure, timeout, blocked or unknown (it may have had an effect); ``code`` a stable word for evidence and the
    agent. ``status`` is what an HTTP upstream answered, ``retry_after`` the seconds that it asked for. The text never holds a
    secret, a value, or what the other side said.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        outcome: str = "failure",
        status: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.outcome = code, outcome
        self.status, self.retry_after = status, retry_after

    @property
    def said(self) -> tuple[int | None, int | None]:
        """What the other side said of it: its status, and the seconds that it asked for."""
        return self.status, self.retry_after


class ValuesRefused(Failed):
    """The other side refuses the values of a call, which only it could judge: the caller's own mistake."""


class Connection(Protocol):
    """A way to one connector of one tenant; made when it is first used, closed when nobody did for a while."""

    async def run(self, call: Call) -> Answer:
        """Run a call. Raises Failed, and nothing else; ends what it began when it is cancelled."""
        ...

    async def ping(self) -> None:
        """Ask the other side for the cheapest answer that it has. Raises Failed; the caller bounds the time."""
        ...

    async def close(self) -> None: ...


Open = Callable[[str, Resource, Surroundings], Awaitable[Connection]]
"""From a tenant and its connector; raises Failed."""
Judge = Callable[[Call], Awaitable[None]]
"""Raises Failed for a call that can't run at all, before anything is recorded or reached. Values are judged by the target's inputs."""

"""Words that a shell may complete: addresses, tenants, environments and kinds as this project knows them; nothing on any error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import chdir, suppress
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.cli.workspace import Workspace
    from reconciler.store.url import Database

LIMIT = 200
"""Words at most: more helps nobody who has to choose."""
MOST_LOOKED_AT = 5_000
"""Addresses that are looked through for callers."""
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+\Z")
"""Anybody may write into the table that addresses are read from, and a shell may insert a word as it is: `$(...)` too."""


def _words(find: Callable[[click.Context, str], Iterable[str]]) -> Callable[..., list[CompletionItem]]:
    def complete(context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        # a message in the middle of somebody's command line helps less than no words
        with suppress(ReconcilerError, OSError), chdir(context.find_root().params.get("folder") or "."):
            return [
                CompletionItem(word) for word in find(context, begun) if word.startswith(begun) and _PLAIN.match(word)
            ][:LIMIT]
        return []

    return complete


def _live(context: click.Context, begun: str) -> Iterable[str]:
    from reconciler.store.reading import read_addresses

    return map(str, read_addresses(_opened(context)[1], begun, LIMIT))


def _opened(context: click.Context) -> tuple[Workspace, Database]:
    from reconciler.cli.workspace import Options, Workspace

    known = context.params
    workspace = Workspace(Options(known.get("database"), known.get("project"), known.get("env")), ())
    return workspace, workspace.database(workspace.environment(required=True))


def _callers(context: click.Context, begun: str) -> Iterable[str]:
    """Return callers as TENANT/NAME."""
    from reconciler.store.reading import read_addresses

    tenant, slash, name = begun.partition("/")
    found = read_addresses(_opened(context)[1], f"{tenant}/caller/{name}" if slash else tenant, MOST_LOOKED_AT)
    return (f"{one.tenant}/{one.name}" for one in found if one.kind == "caller")


def _generations(context: click.Context, _begun: str) -> Iterable[str]:
    """Return the numbers of generations, the newest first."""
    from reconciler.store.reading import read_generation

    workspace, database = _opened(context)
    return map(str, range(read_generation(database, workspace.name), 0, -1))


def _secrets(context: click.Context, begun: str) -> Iterable[str]:
    """Return stored secrets as TENANT/NAME."""
    from reconciler.store.secrets import listed

    tenant, slash, _ = begun.partition("/")
    return (f"{one.tenant}/{one.name}" for one in listed(_opened(context)[1], (tenant,) if slash else ()))


def _tenants(context: click.Context, begun: str) -> Iterable[str]:
    return dict.fromkeys(address.partition("/")[0] for address in _live(context, begun))


def _environments(context: click.Context, begun: str) -> Iterable[str]:
    from reconciler.cli.workspace import Options, Workspace

    return Workspace(Options(project=context.params.get("project")), ()).environments


def _explained(context: click.Context, begun: str) -> Iterable[str]:
    from reconciler.render.explain import below

    return below(begun)


def _kinds(_context: click.Context, _begun: str) -> Iterable[str]:
    from reconciler.kinds.table import BY_PLURAL, KINDS

    return (*KINDS, *BY_PLURAL)


def _schemas(_context: click.Context, _begun: str) -> Iterable[str]:
    from reconciler.render.schemas import schemas

    return schemas()


def files(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the shell's own completion of files and folders."""
    return [CompletionItem(begun, type="file")]


def files_or_addresses(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Files first: bash forgets the words that stand before them."""
    return [*files(context, parameter, begun), *addresses(context, parameter, begun)]


addresses, tenants, environments, explained, kinds, schema_names, callers, generations, stored_secrets = map(
    _words, (_live, _tenants, _environments, _explained, _kinds, _schemas, _callers, _generations, _secrets)
)

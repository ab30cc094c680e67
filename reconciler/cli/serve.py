"""``serve``: the governed runtime, for agents over MCP and HTTP; they use what was applied, and nothing else."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.options import STORE_VARIABLE, common_by
from reconciler.cli.serve_references import unresolvable
from reconciler.cli.signing import ring
from reconciler.cli.surroundings import opening, server_settings
from reconciler.cli.trail import writing_key
from reconciler.cli.workspace import Options, Workspace
from reconciler.errors import ReconcilerError, Refused, UsageError
from reconciler.model.address import is_name
from reconciler.runtime.extras import not_installed
from reconciler.store.url import Database, parse_database

if TYPE_CHECKING:
    from reconciler.runtime.setup import Setup

EVIDENCE_VARIABLE = "RECONCILER_EVIDENCE_URL"
"""The store once more, by a role that may read it: for operators, where the server's own role may not."""
DEFAULT_STORE = "sqlite:///.reconciler/runtime.db"


@click.command("serve")
@click.option(
    "--config",
    "config",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The server's own settings, e.g. serve.yaml. Without it: loopback, port 8080.",
)
@click.option("--store", metavar="URL", help=f"The runtime's own database (also {STORE_VARIABLE}).")
@click.option("--stdio", metavar="TENANT/CALLER", help="Serve MCP on stdin and stdout, for this caller alone.")
@common_by()
def command(options: Options, config: Path | None, store: str | None, stdio: str | None) -> int:
    """Let agents use what was applied, and nothing else.

    Agents prove who they are by a key (`reconciler keys issue`) or a token, over MCP (/mcp) and HTTP (/v1). Every call is
    decided by policies, counted against limits, and in evidence before anything outside is asked.
    """
    try:
        from reconciler.runtime.serve import run_loop, serve, serve_stdio
    except ModuleNotFoundError as error:
        raise not_installed(error) from None
    from reconciler.runtime.call import Failed
    from reconciler.runtime.logs import log_as_json

    setup = _setup(Workspace(options, (), ends=False), config, store)
    log_as_json()
    try:
        if stdio is not None:
            tenant, _, caller = stdio.partition("/")
            if not (is_name(tenant) and is_name(caller)):
                raise UsageError("expected --stdio TENANT/CALLER")
            asyncio.run(serve_stdio(setup, tenant, caller))
        else:
            run_loop(serve(setup, lambda text: click.echo(text, err=True)))
    except Failed as error:
        raise ReconcilerError(str(error), code=error.code) from None
    return 0


def _setup(workspace: Workspace, config: Path | None, store: str | None) -> Setup:
    """Return what a server is made of, and warn on stderr of references that it can't resolve. Raises ReconcilerError."""
    from reconciler.runtime.setup import Databases, Setup

    environment = workspace.environment(required=True)
    found = server_settings(workspace, config)
    settings, folder = found
    root = workspace.project.root
    own = store_of(store, root, settings.store, folder)
    evidence = os.environ.get(EVIDENCE_VARIABLE)
    control = workspace.database(environment)
    databases = Databases(control, own, parse_database(evidence, root) if evidence else own)
    key = writing_key(workspace, control)
    if (control.path is not None and control.path == own.path) or _same_server(control, own):
        raise Refused(
            "the runtime's store and the database of the configuration are the same",
            code="store-not-apart",
            hint=f"name another by --store or {STORE_VARIABLE}",
        )
    around, policy, log = opening(workspace, environment, found, "serve")
    for line in unresolvable(control, policy, os.environ):
        click.echo(line, err=True)
    return Setup(settings, databases, around, key, log, ring(workspace.project))


def store_of(option: str | None, root: Path, setting: str | None = None, folder: Path | None = None) -> Database:
    """Return the runtime's store: by option, environment, serve.yaml, or the default, in this order.

    A relative file counts from the working directory in the option, from the project's ``root`` in the environment, and
    from ``folder``, which is that of serve.yaml, in the setting.
    """
    if option:
        return parse_database(option, Path.cwd())
    if given := os.environ.get(STORE_VARIABLE):
        return parse_database(given, root)
    return parse_database(setting or DEFAULT_STORE, folder or root)


def own_store(options: Options, option: str | None) -> Database:
    """Return the runtime's store of the project that the options name."""
    return store_of(option, Workspace(options, ()).project.root)


def _same_server(control: Database, store: Database) -> bool:
    if control.url is None or store.url is None:
        return False
    one, other = ((url.host, url.port, url.database, url.query.get("host")) for url in (control.url, store.url))
    return bool(one == other)

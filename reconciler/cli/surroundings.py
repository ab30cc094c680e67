"""What connectors are opened with: the permits of serve.yaml, and secrets as `serve` resolves them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from reconciler.cli.credentials import access_log, resolver_of
from reconciler.cli.workspace import Workspace
from reconciler.load.project import SERVE_FILE

if TYPE_CHECKING:
    from reconciler.credentials.access_log import AccessLog
    from reconciler.load.serve_file import ServeFile
    from reconciler.runtime.call import Surroundings
    from reconciler.secrets.policy import Policy


class ServerSettings(NamedTuple):
    """What serve.yaml says, and the folder from which its paths count."""

    file: ServeFile
    folder: Path


class Opening(NamedTuple):
    """What connectors are opened with, the policy of references behind it, and the log of accesses, which waits to be written."""

    around: Surroundings
    policy: Policy
    log: AccessLog


def server_settings(workspace: Workspace, config: Path | None) -> ServerSettings:
    """Read the settings of a server; without a file they are the defaults. Raises ConfigurationInvalid."""
    from reconciler.load.serve_file import ServeFile, read_serve

    if config is None:
        return ServerSettings(ServeFile(version=1), workspace.project.root)
    return ServerSettings(read_serve(config), config.resolve().parent)


def project_settings(workspace: Workspace, config: Path | None) -> ServerSettings:
    """Read the settings of --config, or else of the project's serve.yaml, where it has one. Raises ConfigurationInvalid."""
    own = workspace.project.root / SERVE_FILE
    return server_settings(workspace, own if config is None and own.is_file() else config)


def opening(workspace: Workspace, environment: str | None, settings: ServerSettings, purpose: str) -> Opening:
    """Return what connectors of an environment are opened with; nobody is asked for anything yet."""
    from reconciler.runtime.call import Surroundings
    from reconciler.runtime.setup import permits_of, permitted_of, resolving

    log = access_log(workspace, environment, purpose)
    policy = replace(workspace.project.secret_policy(environment), permitted=permitted_of(settings.file))
    resolver = resolver_of(workspace, environment, purpose, log, policy)
    return Opening(Surroundings(*resolving(resolver), permits_of(*settings)), policy, log)

"""What a server is made of: its settings, its databases, and what they permit connectors to reach."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import NamedTuple

from reconciler.credentials.access_log import AccessLog
from reconciler.errors import ReconcilerError
from reconciler.load.serve_file import TENANT, ServeFile, StdioSettings, TenantPermits
from reconciler.model.audit import AuditKey
from reconciler.model.secret_ref import SecretRef
from reconciler.runtime.call import Failed, Permits, Resolve, StdioPermit, Surroundings
from reconciler.runtime.threads import in_thread
from reconciler.secrets.policy import Permitted
from reconciler.secrets.resolve import Resolver, Wanted
from reconciler.secrets.ring import Ring
from reconciler.store.url import Database


class Databases(NamedTuple):
    """The control database, and the runtime's store twice: ``evidence`` is read with a role that may read it."""

    control: Database
    store: Database
    evidence: Database


class Setup(NamedTuple):
    """The input of ``parts.assembled``; ``audit_key`` signs entries of the audit trail, None for unsigned ones."""

    settings: ServeFile
    databases: Databases
    around: Surroundings
    audit_key: AuditKey = None
    accesses: AccessLog | None = None
    ring: Ring | None = None
    """The keys that seal values which wait for an approval; None where none is configured."""


def permits_of(settings: ServeFile, folder: Path) -> Permits:
    """Return what connectors may reach; relative folders count from ``folder``, the one of serve.yaml."""
    permits = settings.permits
    tenants = {name: _permits(own, folder) for name, own in permits.tenants.items()}
    return _permits(permits, folder)._replace(tenants=tenants)


def permitted_of(settings: ServeFile) -> Permitted:
    """Return the variables of this process that references may name."""
    permits = settings.permits
    return Permitted(tuple(permits.env), {name: tuple(own.env) for name, own in permits.tenants.items()})


def _permits(settings: TenantPermits, folder: Path) -> Permits:
    sqlite, files = (
        tuple(_real(folder / root) for root in roots) for roots in (settings.sqlite_roots, settings.file_roots)
    )
    stdio = {name: _stdio(name, one) for name, one in settings.stdio.items()}
    return Permits(tuple(ip_network(text) for text in settings.networks), sqlite, stdio=stdio, file_roots=files)


def _stdio(name: str, one: StdioSettings) -> StdioPermit:
    bounds = one.sha256 or "", one.processes, one.memory_mib
    return StdioPermit(name, one.command, one.args, frozenset(one.env), *bounds)


def _real(root: Path) -> Path:
    """Resolve the links of a folder above ``${tenant}``: below it a tenant may put links, which stay unresolved."""
    parts = root.parts
    fixed = next((number for number, part in enumerate(parts) if TENANT in part), len(parts))
    return Path(*parts[:fixed]).resolve().joinpath(*parts[fixed:])


def resolving(resolver: Resolver) -> tuple[Resolve, Resolve]:
    """Return two coroutines around a blocking resolver: one answers from its cache, one always resolves anew.

    Both raise Failed, which carries a code and no reason: a reason may quote the secret's store.
    """

    async def resolved(tenant: str, reference: str) -> str:
        try:
            secret = await in_thread(resolver.resolve, tenant, reference)
        except ReconcilerError:
            raise Failed("credential-unresolved", "a credential could not be had") from None
        return secret.reveal()

    async def anew(tenant: str, reference: str) -> str:
        resolver.forget(Wanted(tenant, SecretRef.parse(reference)))
        return await resolved(tenant, reference)

    return resolved, anew

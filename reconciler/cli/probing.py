"""``--probe``: does what is configured answer? A credential goes only where it went already, or where a person says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.cli.asking import says_yes
from reconciler.cli.workspace import Workspace
from reconciler.errors import Problem, ReconcilerError
from reconciler.model.address import Address
from reconciler.model.live import Live

if TYPE_CHECKING:
    from reconciler.cli.credentials import Bodies
    from reconciler.credentials.check import CheckedReferences
    from reconciler.model.health import Check
    from reconciler.probe.calls import Pair


def probe(
    workspace: Workspace, live: Live, found: Iterable[CheckedReferences], bodies: Bodies, may_ask: bool
) -> list[Problem]:
    """Problems of what does not answer; the rest is told on stderr."""
    from reconciler.probe.ask import ask_all
    from reconciler.probe.calls import call_of, pairs_of

    secrets = {
        (one.address.tenant, str(one.use.reference)): one.outcome.secret
        for one in found
        if not isinstance(one.outcome, ReconcilerError)
    }

    def reveal(tenant: str, reference: str) -> str:
        return secrets[tenant, reference].reveal()

    applied = {
        pair
        for address, one in live.applied.items()
        if isinstance(one.raw, dict)
        for pair in pairs_of(address, one.raw)
    }
    calls, skipped = {}, []
    confirmed: dict[Pair, bool] = {}
    for address, body in bodies:
        pairs = pairs_of(address, body)
        if not pairs:
            continue
        for pair in sorted(pairs - applied, key=str):
            if pair not in confirmed:
                confirmed[pair] = may_ask and _confirmed(address, pair)
        if not all(confirmed[pair] for pair in pairs - applied):
            skipped.append(address)
            continue
        call = call_of(address, body, partial(reveal, address.tenant))
        if call is not None:
            calls[address] = call
    with workspace.options.progress.stage("Probing"):
        answers = ask_all(calls)
    _tell(workspace, answers, skipped)
    return [
        Problem(
            "probe-failed", f"{address} does not work: {health.reason}", str(address), hint="leave out --probe to go on"
        )
        for address, health in answers.items()
        if health.state == "failing"
    ]


def _confirmed(address: Address, pair: Pair) -> bool:
    what = f"the secret of {pair.reference}" if pair.reference else "a request without a credential"
    return says_yes(f"{address} is not live like this yet. Send {what} to {pair.origin}?")


def _tell(workspace: Workspace, found: Mapping[Address, Check], skipped: Iterable[Address]) -> None:
    if workspace.options.quiet:
        return
    for address, health in found.items():
        took = f", {health.latency_ms} ms" if health.latency_ms is not None else ""
        click.echo(f"Probe: {address} is {health.state}: {health.reason}{took}", err=True)
    for address in skipped:
        click.echo(
            f"Probe: {address} was not asked: its credential was not sent there before, and nobody confirmed it",
            err=True,
        )

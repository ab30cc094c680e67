"""``models``: the names of models that the files give agents, what answers for each, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.access.known import known_of
from reconciler.access.models import models_in
from reconciler.access.snapshot import Tenant, snapshot_of
from reconciler.cli.known import note_unknown_tenants
from reconciler.cli.options import MANIFESTS, common_by, print_json
from reconciler.cli.surroundings import server_settings
from reconciler.cli.workspace import Options, Workspace
from reconciler.kinds.model_target import INTEGRATION
from reconciler.model.body import Body
from reconciler.render.table import table

if TYPE_CHECKING:
    from reconciler.model.price import Price
    from reconciler.runtime.llm.prices import Known, PriceBook

MILLION = 10**6
_ORIGINS = {
    "settings": "serve.yaml",
    "exact": "genai-prices",
    "family": "genai-prices, not by its own name: accept it in serve.yaml",
    "unknown": "unknown",
}


@click.command("models")
@click.option("--prices", is_flag=True, help="With what each deployment costs, and its bounds.")
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The server's own settings, e.g. serve.yaml, whose `prices` count.",
)
@common_by("tenant", takes=MANIFESTS)
def command(options: Options, prices: bool, config: Path | None) -> int:
    """List the names of models that agents may send, and the deployments that answer.

    What the files say counts; who may use which model, `reconciler access explain` says. A price comes from serve.yaml, else from the
    package genai-prices. A deployment without one is refused under a limit on cost.
    """
    workspace = Workspace(options, ())
    configuration = workspace.load(workspace.environment(required=True)).configuration
    tenants = snapshot_of(known_of(configuration)).tenants
    note_unknown_tenants(workspace, {*tenants})
    chosen = [tenant for name, tenant in sorted(tenants.items()) if not options.tenants or name in options.tenants]
    book = _book(workspace, config) if prices else None
    found = [one for tenant in chosen for one in _listed(tenant, book)]
    if options.format == "json":
        print_json({"format_version": "1.0", "models": found})
    elif not found:
        click.echo("No model has a name here: declare `routes`, or the `models` of integrations.")
    else:
        heads = (
            "tenant",
            "model",
            "target",
            "answered by",
            *(("in", "out", "window", "most out", "price") if prices else ()),
        )
        click.echo(
            "\n".join(table(heads, (_row(one, deployment) for one in found for deployment in one["deployments"])))
        )
    return 0


def _book(workspace: Workspace, config: Path | None) -> PriceBook:
    from reconciler.runtime.llm.prices import PriceBook

    return PriceBook(server_settings(workspace, config).file.prices)


def _listed(tenant: Tenant, book: PriceBook | None) -> Iterator[dict[str, Any]]:
    for model, target in models_in(tenant).items():
        deployments = [_deployment(tenant, *one, book) for one in _deployments(tenant, model, target)]
        yield {"tenant": tenant.name, "model": model, "target": target, "deployments": deployments}


def _deployments(tenant: Tenant, model: str, target: str) -> Iterator[tuple[str, str]]:
    """Yield the integrations that answer for a model, and their own names of it."""
    kind, _, name = target.partition("/")
    if kind == INTEGRATION:
        yield name, model.partition("/")[2]
        return
    route = tenant.resource(target)
    for one in route.body["deployments"] if route is not None else ():
        yield one["integration"], one["model"]


def _deployment(tenant: Tenant, integration: str, model: str, book: PriceBook | None) -> dict[str, Any]:
    found = tenant.resource(f"{INTEGRATION}/{integration}")
    deployment: dict[str, Any] = {"integration": integration, "model": model}
    if book is None or found is None:
        return deployment
    return {**deployment, **_priced(book.known(found.body["provider"], model, _address(found.body)))}


def _address(body: Body) -> str:
    return str(body.get("base_url") or "")


def _priced(known: Known) -> Mapping[str, Any]:
    facts, price = known.facts, known.facts.price
    return {
        "usd_per_million": None if price is None else _rates(price),
        "context_window": facts.context_window,
        "max_output_tokens": facts.max_output_tokens,
        "price_from": known.origin,
        "matched": known.matched,
    }


def _rates(price: Price) -> dict[str, float]:
    """Return the plain rates: those of small requests, without a service tier."""
    rates = price.tiers[0].rates
    return {name: value / MILLION for name, value in rates._asdict().items() if value is not None}


def _row(one: Mapping[str, Any], deployment: Mapping[str, Any]) -> list[str]:
    row = [one["tenant"], one["model"], one["target"], f"{deployment['integration']}: {deployment['model']}"]
    if "price_from" not in deployment:
        return row
    rates = deployment["usd_per_million"] or {}
    amounts = [f"${rates[name]:,.3f}" if name in rates else "-" for name in ("input", "output")]
    bounds = [f"{deployment[name]:,}" if deployment[name] else "-" for name in ("context_window", "max_output_tokens")]
    return [*row, *amounts, *bounds, _ORIGINS[deployment["price_from"]]]

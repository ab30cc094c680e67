"""``adopt`` and ``forget``: ownership changes, specs stay."""

from __future__ import annotations

from pathlib import Path as FilePath

import click
from msgspec.structs import replace

from reconciler import __version__
from reconciler.cli import complete
from reconciler.cli.carry_out import Consent, consenting, save_or_carry_out
from reconciler.cli.options import common_by
from reconciler.cli.selecting import near_address, parse_address
from reconciler.cli.workspace import Options, Workspace, now
from reconciler.diff.visible import visible_path
from reconciler.errors import ConfigurationInvalid, Path, Problem, ReconcilerError
from reconciler.kinds.meaning import normal, raw_body
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.body import Body, has
from reconciler.model.configuration import Adoption, Configuration
from reconciler.model.live import Live
from reconciler.model.plan import Selection
from reconciler.model.resource import Resource, resource_of
from reconciler.model.spec import Spec
from reconciler.planner.make import Setting, make_plan


@click.command("adopt")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...", shell_complete=complete.addresses)
@click.option("--from-project", metavar="P", help="The project that owns them now; without it they belong to nobody.")
@click.option(
    "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=FilePath), help="Save the plan for `apply FILE`."
)
@consenting
@common_by()
def command(
    options: Options, consent: Consent, addresses: tuple[str, ...], from_project: str | None, out: FilePath | None
) -> int:
    """Take over live resources.

    The owner changes and live becomes what was last applied; the spec stays. Declare them in the manifests before the
    next apply (`reconciler export --target ADDRESS` writes them), or it will delete them.
    """
    workspace = Workspace(options, ())
    environment = workspace.environment(required=True)
    database = workspace.database(environment)
    live = workspace.read_live(database, None, every_tenant=True)
    wanted = [parse_address(text) for text in addresses]
    configuration = Configuration(
        workspace.name,
        environment,
        {address: _as_it_is(address, live) for address in sorted(set(wanted))},
        adoptions=tuple(Adoption(address, from_project, again=True) for address in wanted),
        guards=workspace.project.settings.guards,
    )
    setting = Setting(database.name_in(workspace.project.root), now().date(), __version__)
    plan = make_plan(configuration, live, setting, Selection(targets=frozenset(wanted), deletes=False))
    note = "declare these resources in the manifests: `reconciler export --target ADDRESS` writes them"
    plan = replace(plan, notes=(*plan.notes, note), operation="adopt")
    plan = workspace.with_effects(plan, database)
    save_or_carry_out(plan, workspace, database, replace(consent, guards=configuration.guards), out)
    return 0


def _as_it_is(address: Address, live: Live) -> Resource:
    row = live.rows.get(address)
    if row is None:
        raise ReconcilerError(f"{address} is not live", code="not-live", hint=near_address(address, live.rows))
    kind, found = KINDS.get(address.kind), normal(row)
    # what is not valid is masked, which may make it look valid
    spec = parse(kind, found.body if found.valid else raw_body(row), address) if kind else ()
    if not isinstance(spec, Spec) or not found.valid:
        wrong = () if isinstance(spec, Spec) else spec
        fields = sorted({f"{_shown_path(problem.path, found.body)} ({problem.code})" for problem in wrong})
        raise ConfigurationInvalid(
            Problem(
                "live-invalid",
                f"{address} is not a valid {address.kind} as it is{': ' if fields else ''}{', '.join(fields)}",
                str(address),
                hint=f"mend the row first, or declare it as it is to be, with an `adopt` entry; `show {address}` shows it",
            )
        )
    return resource_of(address, spec)


def _shown_path(path: Path, masked: Body) -> str:
    """Return as much of a path as the masked body shows.

    A key may be a secret, as a value may. The message of a problem may repeat either, so it isn't shown.
    """
    while path and not has(masked, path):
        path = path[:-1]
    return visible_path(path) or "the body"

"""``forget``: let go of resources without deleting them."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec.structs import replace

from reconciler import __version__
from reconciler.cli import complete
from reconciler.cli.carry_out import Consent, consenting, save_or_carry_out
from reconciler.cli.options import common_by
from reconciler.cli.selecting import near_address, parse_address
from reconciler.cli.workspace import Options, Workspace, now
from reconciler.errors import Problem, ReconcilerError
from reconciler.model.configuration import Configuration, Removal
from reconciler.model.plan import Selection
from reconciler.planner.make import Setting, make_plan


@click.command("forget")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...", shell_complete=complete.addresses)
@click.option(
    "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan for `apply FILE`."
)
@consenting
@common_by()
def command(options: Options, consent: Consent, addresses: tuple[str, ...], out: Path | None) -> int:
    """Let go of live resources.

    They stay as they are, and belong to nobody. Take them out of the manifests too, or the next plan finds a conflict.
    """
    workspace = Workspace(options, ())
    environment = workspace.environment(required=True)
    database = workspace.database(environment)
    live = workspace.read_live(database, None)
    wanted = frozenset(parse_address(text) for text in addresses)
    foreign = [address for address in sorted(wanted) if address not in live.applied]
    if foreign:
        raise ReconcilerError(
            *(
                Problem(
                    "not-owned",
                    f"{a} does not belong to the project {workspace.name!r}",
                    str(a),
                    hint=near_address(a, live.applied),
                )
                for a in foreign
            )
        )
    configuration = Configuration(
        workspace.name,
        environment,
        {},
        removals=tuple(Removal(address, destroy=False) for address in sorted(wanted)),
        guards=workspace.project.settings.guards,
    )
    setting = Setting(database.name_in(workspace.project.root), now().date(), __version__)
    plan = make_plan(configuration, live, setting, Selection(targets=wanted, deletes=False))
    plan = replace(plan, operation="forget")
    plan = workspace.with_effects(plan, database)
    save_or_carry_out(plan, workspace, database, replace(consent, guards=configuration.guards), out)
    return 0

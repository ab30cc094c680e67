"""Prints the plan of every scene in a folder (``NAME/state.db``, ``NAME/files``), for another process to compare."""

from __future__ import annotations

import sys
from pathlib import Path

from reconciler.errors import ReconcilerError
from reconciler.model.body import canonical
from reconciler.model.configuration import Configuration
from reconciler.model.live import Live
from reconciler.plan.convert import to_document
from reconciler.planner.make import make_plan
from reconciler.store.reading import read_live
from reconciler.store.url import parse_database
from tests.properties.arena import SETTING
from tests.properties.strategies import loaded


def told(configuration: Configuration, live: Live) -> str:
    """The plan's bytes, or every reason for which there is none."""
    try:
        return canonical(to_document(make_plan(configuration, live, SETTING)))
    except ReconcilerError as error:
        return repr(error.problems)


def main(folder: Path) -> None:
    for scene in sorted(folder.iterdir()):
        configuration = loaded(scene / "files")
        tenants = {address.tenant for address in configuration.resources}
        live = read_live(parse_database(f"sqlite:///{scene}/state.db", scene), configuration.project, tenants)
        print(told(configuration, live))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

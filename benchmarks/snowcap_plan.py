"""What `snowcap plan` does where nothing is live, without the Snowflake that it would ask: a YAML file into the text of a plan.

Run by an interpreter that has snowcap (`pip install snowcap`), so nothing of this project is imported here:

    PYTHON benchmarks/snowcap_plan.py CONFIG
"""

from __future__ import annotations

import sys
from typing import Any


def session() -> dict[str, Any]:
    """What an account tells of itself."""
    from snowcap.enums import AccountEdition
    from snowcap.resource_name import ResourceName

    roles = [ResourceName(name) for name in ("ACCOUNTADMIN", "SECURITYADMIN", "SYSADMIN", "USERADMIN", "PUBLIC")]
    return {
        "account_edition": AccountEdition.ENTERPRISE,
        "account_grant_map": {},
        "account_locator": "BENCH",
        "account": "BENCH",
        "available_roles": roles,
        "cloud": "AWS",
        "cloud_region": "US_WEST_2",
        "database": None,
        "role": roles[0],
        "schemas": [],
        "secondary_roles": [],
        "user": "BENCH",
        "version": "9",
        "warehouse": None,
    }


def main(config: str) -> None:
    from snowcap.blueprint import Blueprint, compute_levels, diff, dump_plan
    from snowcap.gitops import collect_blueprint_config, read_config
    from snowcap.resources.resource import ResourcePointer

    blueprint = Blueprint.from_config(collect_blueprint_config(read_config(config)))
    manifest = blueprint.generate_manifest(session())
    there = {
        urn: {} for urn, item in manifest.items() if isinstance(item, ResourcePointer)
    }  # the account, its own roles
    changes = diff(there, manifest)
    levels = compute_levels({urn for pair in manifest.refs for urn in pair} | {*manifest.urns}, {*manifest.refs})
    print(dump_plan(changes, format="text", levels=levels))


if __name__ == "__main__":
    main(sys.argv[1])

"""Permits by tenant: a network or a folder of one tenant is never another's, whatever a tenant calls itself or links to."""

from __future__ import annotations

import asyncio
import sqlite3
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.access.resource import Resource
from reconciler.errors import ConfigurationInvalid
from reconciler.load.serve_file import read_serve
from reconciler.runtime.addresses import refused
from reconciler.runtime.call import Failed, Permits
from reconciler.runtime.connectors.table import CONNECTORS
from reconciler.runtime.pools import Pools
from reconciler.runtime.setup import permits_of
from tests.runtime.calls import around, call, call_of, resource

TEMPLATE = resource("template", {"type": "sql", "datasource": "it", "sql": "SELECT name FROM owners"})
OTHERS = ["/srv/other", "../x", "..", ".", "", "acme/../other", "acme/", "a\x00b", "${tenant}", "Acme"]


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """Two tenants, each with a database that says whose it is."""
    for tenant in ("acme", "other", "both"):
        (tmp_path / "srv" / tenant).mkdir(parents=True)
        with sqlite3.connect(tmp_path / "srv" / tenant / "data.db") as connection:
            connection.execute("CREATE TABLE owners (name TEXT)")
            connection.execute("INSERT INTO owners VALUES (?)", [tenant])
        connection.close()
    return tmp_path / "srv"


def permits(folder: Path, text: str) -> Permits:
    (folder / "serve.yaml").write_text(f"version: 1\npermits:\n{text}")
    return permits_of(read_serve(folder / "serve.yaml"), folder)


def read(permitted: Permits, tenant: str, file: Path) -> str:
    """What a tenant's connector reads in a file, through the pools as `serve` has them; or why it does not."""
    connector: Resource = resource("connector", {"type": "sql", "dialect": "sqlite", "database": str(file)})

    async def main() -> str:
        pools = Pools(CONNECTORS, around()._replace(permits=permitted), lambda _id: True)
        made = call(connector, TEMPLATE, {})
        made.target = replace(made.target, tenant=tenant)
        try:
            return str((await pools.run("e", made)).content[0]["name"])
        except Failed as error:
            return error.code
        finally:
            await pools.close()

    return asyncio.run(main())


def test_a_folder_named_after_the_tenant_is_its_own(served: Path) -> None:
    own = permits(served.parent, "  sqlite_roots: ['srv/${tenant}']\n")
    assert read(own, "acme", served / "acme" / "data.db") == "acme"
    assert read(own, "other", served / "other" / "data.db") == "other"
    assert read(own, "acme", served / "other" / "data.db") == "file-not-permitted"
    assert read(own, "acme", served / "acme" / ".." / "other" / "data.db") == "file-not-permitted"


@pytest.mark.parametrize("name", OTHERS)
def test_a_tenant_whose_name_is_none_has_no_folder(served: Path, name: str) -> None:
    own = permits(served.parent, "  sqlite_roots: ['srv/${tenant}']\n")
    assert own.of(name).sqlite_roots == ()
    assert read(own, name, served / "other" / "data.db") == "file-not-permitted"


def test_a_link_in_the_tenant_s_folder_leads_nowhere_else(served: Path) -> None:
    """The folder itself, a folder in it, and a file: whoever writes there may put links."""
    (served / "acme" / "data.db").unlink()
    (served / "acme" / "data.db").symlink_to(served / "other" / "data.db")
    (served / "acme" / "inside").symlink_to(served / "other")
    (served / "linked").symlink_to(served / "other")
    own = permits(served.parent, "  sqlite_roots: ['srv/${tenant}', 'srv/${tenant}/inside']\n")
    for tenant, file in (("acme", "acme/data.db"), ("acme", "acme/inside/data.db"), ("linked", "linked/data.db")):
        assert read(own, tenant, served / file) == "file-not-permitted"


def test_a_link_of_the_operator_is_followed(served: Path) -> None:
    (served.parent / "volume").symlink_to(served)
    own = permits(served.parent, "  sqlite_roots: ['volume/${tenant}']\n")
    assert read(own, "acme", served.parent / "volume" / "acme" / "data.db") == "acme"


def test_a_single_tenant_may_have_more(served: Path) -> None:
    own = permits(
        served.parent,
        "  networks: [10.1.0.0/16]\n  sqlite_roots: [srv/both]\n"
        "  tenants:\n    acme: {networks: [10.2.0.0/16], sqlite_roots: [srv/acme]}\n",
    )
    for tenant in ("acme", "other"):
        assert read(own, tenant, served / "both" / "data.db") == "both", "the old form is for every tenant"
    assert read(own, "acme", served / "acme" / "data.db") == "acme"
    assert read(own, "other", served / "acme" / "data.db") == "file-not-permitted"
    exception = [{"cidr": "10.2.0.0/16", "port": 443}]
    assert refused("10.2.3.4", 443, own.of("acme"), exception) is None
    assert refused("10.2.3.4", 443, own.of("other"), exception) == "it is not public"
    assert own.of("other").networks == (ip_network("10.1.0.0/16"),)


@pytest.mark.parametrize(
    ("root", "code"),
    [
        ("/srv/${tenant}/../x", "invalid-path"),
        ("/srv/${user}", "unknown-variable"),
        ("/${tenant}/${a}", "unknown-variable"),
    ],
)
def test_a_folder_that_can_not_be_kept_apart_is_refused(tmp_path: Path, root: str, code: str) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        permits(tmp_path, f"  sqlite_roots: ['{root}']\n")
    (problem,) = caught.value.problems
    assert (problem.code, problem.place and problem.place.line) == (code, 3)


def test_folders_of_files_are_permitted_by_the_tenant(served: Path) -> None:
    """As `serve.yaml` says it, and no folder of SQLite's among them."""
    own = permits(served.parent, "  file_roots: ['srv/${tenant}']\n  sqlite_roots: ['srv']\n")
    template = {"type": "file", "datasource": "d", "operation": "list"}
    source = resource("datasource", {"type": "file", "connector": "it"}, "d")

    def listed(tenant: str, folder: Path) -> Any:
        connector = resource("connector", {"type": "file", "provider": "local", "root": str(folder)})

        async def main() -> Any:
            pools = Pools(CONNECTORS, around()._replace(permits=own), lambda _id: True)
            made = call_of((resource("template", template), source, connector), {})
            made.target = replace(made.target, tenant=tenant)
            try:
                return [one["name"] for one in (await pools.run("e", made)).content]
            except Failed as error:
                return error.code
            finally:
                await pools.close()

        return asyncio.run(main())

    assert listed("acme", served / "acme") == ["data.db"]
    for tenant in ("acme", *OTHERS):
        assert listed(tenant, served / "other") == "file-not-permitted"

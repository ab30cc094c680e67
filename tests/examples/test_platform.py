"""The example `platform`: three tenants in two environments, applied to databases of both sorts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.examples.conftest import Example, schema_problems

KINDS = {"integration", "connector", "datasource", "template", "limit"}
SQLITE = {"dev": ".reconciler/dev.db", "prod": ".reconciler/prod.db"}


@pytest.fixture
def platform(example: Callable[..., Example]) -> Example:
    return example("platform", **SQLITE)


def test_both_environments_apply_once_and_then_change_nothing(platform: Example) -> None:
    dev, prod = (platform.is_applied_once(env) for env in ("dev", "prod"))
    for live in (dev, prod):
        assert len(live) >= 60
        tenants, kinds, _ = zip(*(address.split("/") for address in live), strict=True)
        assert set(tenants) == {"payments", "support", "research"}
        assert set(kinds) == KINDS
        assert min(Counter(kinds).values()) >= 5
    assert {body["type"] for a, body in prod.items() if "/connector/" in a} >= {
        *("http", "sql", "mcp", "vector", "file", "serverless", "stream")
    }
    _overlays_have_effect(dev, prod)
    _each_environment_has_its_own_database(platform)


def _overlays_have_effect(dev: dict[str, Any], prod: dict[str, Any]) -> None:
    def both(address: str, *path: str) -> tuple[Any, Any]:
        found = []
        for body in (dev[address], prod[address]):
            for step in path:
                body = body.get(step)
            found.append(body)
        return found[0], found[1]

    # merged by key: the rest of the body is that of the base
    assert both("support/integration/openai", "default_model") == ("gpt-5-nano", "gpt-5-mini")
    assert both("support/integration/openai", "config", "organization") == ("org-meridian", "org-meridian")
    assert both("payments/limit/openai-day", "tokens") == (200_000, 40_000_000)
    assert both("payments/connector/warehouse", "host")[0] == "warehouse.dev.meridian.example"
    assert both("payments/connector/warehouse", "ssl") == ("prefer", "verify-full")
    assert both("payments/connector/warehouse", "protected") == (False, True)
    assert both("research/limit/month-budget", "cost_usd") == ("150", "4000")
    # null removes a field, an item of a map, a whole resource
    assert both("support/integration/openai", "config", "project") == (None, "proj_support")
    assert "create_issue" not in dev["research/connector/source-code"]["tools"]
    assert "create_issue" in prod["research/connector/source-code"]["tools"]
    assert "payments/template/request-refund" in prod.keys() - dev.keys()
    # an overlay may bring a resource of its own
    assert "support/connector/statuspage" in prod.keys() - dev.keys()
    # another type replaces the whole body
    assert both("research/connector/papers", "type") == ("sql", "vector")
    assert both("research/connector/papers", "index") == (None, "papers-prod")
    assert both("research/connector/papers", "timeout_seconds") == (20, 20)  # the defaults are below that, too
    # the project's defaults stand below everything
    assert both("payments/integration/anthropic", "max_retries") == (3, 3)
    assert both("payments/connector/fraud-scoring", "timeout_seconds") == (15, 15)
    assert both("payments/connector/stripe", "labels", "managed-by") == ("agent-platform", "agent-platform")


def _each_environment_has_its_own_database(platform: Example) -> None:
    dev, prod = platform.databases["dev"], platform.databases["prod"]
    assert dev.sql("SELECT name, environment FROM projects") == [("agent-platform", "dev")]
    assert prod.sql("SELECT name, environment FROM projects") == [("agent-platform", "prod")]
    assert dev.rows() != prod.rows()
    url = prod.url if not prod.is_sqlite else f"sqlite:///{prod.path}"
    wrong = platform.run("plan", "--env", "dev", "--database", url).ok(6)
    assert "belongs to the environment 'prod'" in wrong.err


@pytest.mark.parametrize("example", ["postgresql"], indirect=True)
def test_what_is_live_survives_finance_a_helpful_colleague_and_a_lost_tenant(platform: Example) -> None:
    platform.run("apply", "--auto-approve", env="prod").ok()
    database, address = platform.databases["prod"], "payments/integration/openai"

    # two fields that `ignore` leaves to others, and one that it does not
    labels = {**database.rows()[address]["labels"], "cost-centre": "4711"}
    database.set_field(address, "labels", labels)
    database.set_field("research/connector/warehouse", "pool_size", 30)
    assert "No changes." in platform.run("plan", "--detailed-exitcode", env="prod").ok(0).out
    database.set_field(address, "enabled", False)
    shown = platform.run("plan", "--detailed-exitcode", env="prod").ok(2).out
    assert f"{address} will be updated in-place" in shown
    assert "cost-centre" not in shown
    database.set_field(address, "enabled", True)

    # the files of a tenant get lost
    for file in platform.folder.rglob("*.yaml"):
        documents = file.read_text().replace("support, research]", "support]").split("\n---\n")
        kept = [document for document in documents if "\ntenant: research\n" not in document]
        file.write_text("\n---\n".join(kept))
    before = database.rows()
    refused = platform.run("apply", "--auto-approve", env="prod").ok(6).err
    assert "research/connector/warehouse is protected" in refused
    assert "--allow-deletes" in refused
    assert "--allow-empty" in refused
    assert database.rows() == before


@pytest.mark.parametrize("example", ["sqlite"], indirect=True)
def test_all_environments_are_validated_but_one_is_planned_and_applied(platform: Example) -> None:
    assert "--env dev" in platform.run("apply", "--auto-approve").ok(64).err
    assert not (platform.folder / ".reconciler").exists()
    assert platform.does_what_its_readme_says() == 5  # `validate` and a plan without --env among them


def test_editors_find_nothing_to_underline() -> None:
    assert schema_problems(ROOT / "examples" / "platform") == []

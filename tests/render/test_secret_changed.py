"""A rotated secret reads as one in every format that shows fields."""

from __future__ import annotations

import json
import re

import pytest

from reconciler.plan.convert import to_document
from reconciler.planner.secrets import with_secrets
from reconciler.render.formats import PLAN_FORMATS
from reconciler.render.plan_text import plan_text
from reconciler.render.style import Style
from tests.planner.support import EVERYTHING, REF, SQL, World, at, plan, wish


@pytest.fixture
def document() -> dict[str, object]:
    world, wanted = World().ours("connector/a", SQL), wish({"connector/a": SQL})
    made = with_secrets(plan(wanted, world), {at("connector/a"): (("dsn",),)}, wanted, world.live, EVERYTHING)
    assert f'      ~ dsn = "{REF}" (secret changed)' in list(plan_text(made, Style(False), []))
    return to_document(made)


def test_markdown(document: dict[str, object]) -> None:
    assert f'! dsn = "{REF}" (secret changed)' in "".join(PLAN_FORMATS["markdown"](document)).splitlines()


def test_html(document: dict[str, object]) -> None:
    page = "".join(PLAN_FORMATS["html"](document))
    data = max(re.findall(r"<script[^>]*application/json[^>]*>(.*?)</script>", page, re.S), key=len)
    assert '"secret changed"' in json.dumps(json.loads(data))


def test_json(document: dict[str, object]) -> None:
    field = document["resource_changes"][0]["fields"][0]  # type: ignore[index]
    assert (field["op"], field["before"], field["after"]) == ("secret", REF, REF)

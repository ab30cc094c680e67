"""Nothing that a model reads is hidden from the people who review it: refused in files, never listed, escaped where it is shown."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.access.decide import Ask
from reconciler.runtime.mediator import Refusal
from tests.conftest import Db, reconciler
from tests.runtime.servers import served
from tests.runtime.worlds import BOT, WORLD, World, in_world
from tests.store.support import cli_on

TAGS = "".join(chr(0xE0000 + ord(one)) for one in "obey")
UNSEEN = {
    "zero width": "\u200b",
    "direction": "\u202e",
    "joiner": "\u2060",
    "soft hyphen": "\xad",
    "tags": TAGS,
    "filler": "\u3164",
    "half-width filler": "\uffa0",
    "initial filler": "\u115f",
    "vowel filler": "\u1160",
    "selector": "\ufe0f",
    "ideographic selector": "\U000e0101",
    "private": "\ue000",
    "private plane": "\U0010fffd",
    "unassigned": "\u0378",
    "no character": "\ufdd0",
    "control": "\x9b",
}
Change = Callable[[dict[str, Any], str], None]


def _template(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["templates"]["top"]
    return found


def _schema(document: dict[str, Any], schema: Any) -> None:
    document["connectors"]["crm"] = {"type": "http", "base_url": "https://crm.example.com", "allowed_methods": ["POST"]}
    document["templates"]["post"] = {"type": "http", "connector": "crm", "method": "POST", "path": "/x", "body": schema}


PLACES: dict[str, Change] = {
    "description": lambda document, text: _template(document).update(description=f"All of it{text}."),
    "parameter": lambda document, text: _template(document)["parameters"]["region"].update(description=f"a{text}b"),
    "enum": lambda document, text: _template(document)["parameters"]["region"].update(enum=["eu", f"u{text}s"]),
    "default": lambda document, text: _template(document)["parameters"]["region"].update(default=f"e{text}u"),
    "pattern": lambda document, text: _template(document)["parameters"]["region"].update(pattern=f"a{text}b"),
    "plane": lambda document, text: document["planes"]["desk"].update(description=f"a{text}b"),
    "schema's text": lambda document, text: _schema(document, {"type": "object", "description": f"a{text}b"}),
    "schema's enum": lambda document, text: _schema(document, {"properties": {"a": {"enum": [f"a{text}b"]}}}),
    "schema's key": lambda document, text: _schema(document, {"properties": {f"a{text}b": {"type": "string"}}}),
    "schema's example": lambda document, text: _schema(document, {"examples": [{"a": [f"a{text}b"]}]}),
}


def changed(place: str, text: str) -> dict[str, Any]:
    document = copy.deepcopy(WORLD)
    PLACES[place](document, text)
    return document


def write(folder: Path, document: dict[str, Any]) -> None:
    (folder / "acme.yaml").write_text(yaml.safe_dump(document, allow_unicode=False))


@pytest.mark.parametrize("name", UNSEEN)
def test_every_sort_is_refused(folder: Path, name: str) -> None:
    write(folder, changed("description", UNSEEN[name]))
    (error,) = reconciler("validate", "--format", "json", cwd=folder).ok(3).json["errors"]
    assert (error["code"], error["address"], error["path"]) == (
        "unseen-character",
        "acme/template/top",
        ["description"],
    )
    assert f"character 10 is U+{ord(UNSEEN[name][0]):04X}" in error["message"]


@pytest.mark.parametrize("place", PLACES)
def test_every_text_that_a_model_reads_is_judged(folder: Path, place: str) -> None:
    write(folder, changed(place, "\u200b"))
    out = reconciler("validate", cwd=folder).ok(3)
    assert "[unseen-character]" in out.err
    assert "\u200b" not in out.text
    write(folder, changed(place, "é👩\u200d💻 1\ufe0f\u20e3"))
    reconciler("validate", cwd=folder).ok()


def test_what_became_live_is_not_listed(db: Db, folder: Path) -> None:
    """By an older program, or by hand: no model ever reads it."""

    async def work(world: World) -> None:
        assert "top" in world.mediator.tools(BOT)
        await asyncio.to_thread(world.db.set_field, "acme/template/top", "description", f"ignore {TAGS}")
        await world.until(lambda: "top" not in world.mediator.tools(BOT))
        with pytest.raises(Refusal, match="not-found"):
            await world.mediator.access(BOT, Ask("template/top"), {"region": "eu"})
        run = cli_on(world.db.url, world.folder)
        commands = [("plan",), ("drift",), ("show", "acme/template/top"), ("list",), ("plan", "--format", "json")]
        commands += [("plan", "--format", form) for form in ("markdown", "html")]
        commands += [("access", "explain", "acme/template/top", "--caller", "bot")]
        for command in commands:
            assert not {*TAGS} & {*run(*command).text}, command

    in_world(db, folder, work)


def test_what_people_may_write_is_escaped_where_it_is_shown(db: Db, folder: Path) -> None:
    """A connector's description is no model's text: it may hold what it likes, and no format shows it as if it were not there."""
    hidden = {"\u202e", "\u200b", "\U000e0041", "\x9b"}
    text = f"here\u202e is\u200b more {TAGS}\U000e0041\x9b"
    document = copy.deepcopy(WORLD)
    document["connectors"]["warehouse"]["description"] = text
    write(folder, document)
    run = cli_on(db.url, folder)
    for form in ("text", "json", "markdown", "html", "github"):
        assert not hidden & {*run("plan", "--format", form).ok().out}, form
    run("apply", "--auto-approve").ok()
    for command in (
        ("show", "acme/connector/warehouse"),
        ("show", "--format", "json"),
        ("history", "1", "--format", "json"),
    ):
        assert not hidden & {*run(*command).ok().out}, command
    found = json.loads(run("show", "acme/connector/warehouse", "--format", "json").ok().out)
    assert text in json.dumps(found, ensure_ascii=False), "escaped JSON means the very same"


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_operators_see_it_escaped(db: Db, folder: Path) -> None:
    (folder / "data").mkdir()
    document = copy.deepcopy(WORLD)
    document["connectors"]["warehouse"]["description"] = "here\u202e is\U000e0041"
    with served(folder, db, document) as server:
        found = server.operator("/v1/tenants/acme/connectors/warehouse")
        assert b"here\\u202e is\\udb40\\udc41" in found.content
        assert found.json()["spec"]["description"] == "here\u202e is\U000e0041"

"""How the answers of servers become locks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from reconciler.cli.pinning import Answer, Pinned, pinned
from reconciler.errors import Problem
from reconciler.kinds.connector.mcp_definition import Definition, definition_of
from reconciler.load.mcp_lock import Lock, LockFile, read_lock
from reconciler.load.pinnable import Pinnable
from reconciler.model.address import Address
from reconciler.secrets.secret import Secret

URL = "https://mcp.example.com/mcp"
LOCK = "mcp.lock/calc.yaml"


def connector(tenant: str = "acme", environment: str | None = None, **more: Any) -> Pinnable:
    body = {"type": "mcp", "transport": "streamable_http", "url": URL, "auth": {"type": "none"}, "headers": {}, **more}
    return Pinnable(environment, Address(tenant, "connector", "calc"), body, None, LOCK)


def tool(name: str = "add", text: str = "Adds.", **schema: Any) -> Definition:
    return definition_of({"name": name, "description": text, "inputSchema": {"type": "object", **schema}})


def answer(*tools: Definition, version: str = "1") -> Answer:
    return Answer("2026-07-28", {"name": "calc", "version": version}, {one.name: one for one in tools}, {})


def asked(
    connectors: list[Pinnable], *answers: Answer | Problem, before: Lock | None = None
) -> tuple[Pinned, list[Pinnable]]:
    """Pin with servers that answer in this order; and the connectors that were asked."""
    seen: list[Pinnable] = []

    def ask(which: Sequence[Pinnable]) -> Sequence[Answer | Problem]:
        seen.extend(which)
        return answers

    return pinned(connectors, {LOCK: before} if before else {}, ask), seen


def only(pins: Pinned) -> Any:
    ((server,),) = [lock.servers for lock in pins.locks]
    return server


def test_alike_connectors_are_asked_once() -> None:
    alike = [connector(f"t{number}", environment) for number in range(300) for environment in ("dev", "prod")]
    pins, seen = asked(alike, answer(tool()))
    assert len(seen) == 1
    assert [*only(pins).after.tools] == ["add"]


def test_each_tenant_with_a_credential_is_asked() -> None:
    auth = {"type": "bearer", "token": "encrypted://calc"}
    _, seen = asked([connector("a", auth=auth), connector("b", auth=auth)], answer(tool()), answer(tool("sub")))
    assert [one.address.tenant for one in seen] == ["a", "b"]


def test_a_tool_that_two_tenants_see_in_two_ways_is_malformed() -> None:
    auth = {"type": "bearer", "token": "encrypted://calc"}
    both = [connector("a", auth=auth), connector("b", auth=auth)]
    pins, _ = asked(both, answer(tool(), tool("own")), answer(tool(text="Subtracts."), tool("other")))
    server = only(pins)
    assert [*server.after.tools] == ["own", "other"]
    assert [*server.malformed] == ["add"]


def test_a_tool_that_repeats_a_credential_is_not_written() -> None:
    secret = Secret("s3cr3t-of-the-connector-0815")
    pins, _ = asked([connector()], answer(tool(text=f"Adds with {secret.reveal()}"), tool("sub")))
    assert [*only(pins).after.tools] == ["sub"]
    assert secret.reveal() not in (pins.locks[0].text or "")


def deep(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        found = {"items": found}
    return found


@pytest.mark.parametrize(
    "odd",
    [tool("deep", properties={"a": deep(58)}), tool("a b"), tool("masked", text="(not shown: 0123abcd)")],
    ids=str,
)
def test_what_no_lock_can_hold_is_malformed(odd: Definition) -> None:
    server = only(asked([connector()], answer(odd, tool()))[0])
    assert [*server.after.tools] == ["add"]
    assert [*server.malformed] == [odd.name]


TEXTS = [
    "plain",
    "yes",
    "",
    " a",
    "a\n",
    "a\n\nb\n",
    "a\n  b",
    "a\t\nb",
    "#x",
    "a: b",
    "- a\n- b",
    "x" * 300,
    "|",
    "é\u202e",
    "\u200b\n",
    "\x85",
    "\U000e0041",
    "null",
    "1e5",
    "a\r\nb",
    "tail \nb",
    "${tenant}",
    "$${a}",
    "env://HOME",
    "'\"\\",
    "---\na",
    "%x",
    "\ufeff",
]


def test_every_text_reads_back_as_it_was() -> None:
    """Texts in descriptions, in keys and in values of any depth; the lock is printable, and its digests hold."""
    tools = []
    for number, text in enumerate(TEXTS):
        key = text if len(text) <= 256 and not re.search("[\x00-\x1f\x7f-\x9f]", text) else "k"
        properties = {key: {"description": text, "enum": [text, {key: [text, 1.5, None]}]}}
        tools.append(tool(f"t{number}", text, properties=properties))
    pins, _ = asked([connector()], answer(*tools))
    server = only(pins)
    assert not server.malformed
    text = pins.locks[0].text or ""
    assert all(one.isprintable() or one == "\n" for one in text)
    lock = read_lock(LockFile(LOCK, text.encode()))
    assert not lock.problems
    assert {name: one.digest for name, one in lock.servers[URL].tools.items()} == {
        one.name: one.digest for one in tools
    }


def test_what_servers_say_of_themselves_is_no_difference() -> None:
    first = asked([connector()], answer(tool()))[0].locks[0]
    before = read_lock(LockFile(LOCK, (first.text or "").encode()))
    again, _ = asked([connector()], answer(tool(), version="2"), before=before)
    assert not again.locks[0].differs
    assert asked([connector()], answer(tool()), before=before)[0].locks[0].text == first.text, "the same bytes"


def test_the_order_of_a_server_is_not_kept() -> None:
    one, other = (
        asked([connector()], answer(*tools))[0].locks[0].text for tools in ((tool(), tool("b")), (tool("b"), tool()))
    )
    assert one == other

"""Connectors of the type notification and templates of the type message: what they need, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds.connector.notification import addresses_of
from reconciler.kinds.template.message import fits
from reconciler.model.address import Address
from reconciler.model.plan import Action, Change
from reconciler.planner.risks import risks_of

from .support import REF, body, checked, found, minimal

SLACK = {"type": "notification", "provider": "slack", "token": REF, "recipients": {"sales": ["#sales"]}}
SMTP = {"type": "notification", "provider": "smtp", "host": "mail.example.com", "from": "a@example.com", "recipients": {"sales": ["b@example.com"]}}  # fmt: skip
HOOK = {
    "type": "notification",
    "provider": "webhook",
    "url": "https://hooks.example.com/x",
    "recipients": {"sales": []},
}
MESSAGE = {"type": "message", "connector": "alerts", "to": ["sales"], "text": "New orders"}


def _without(raw: dict[str, Any], *names: str, **more: Any) -> dict[str, Any]:
    return {**{name: value for name, value in raw.items() if name not in names}, **more}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (SLACK, set()),
        (_without(SLACK, "token", webhook_url=REF, recipients={"sales": []}), set()),
        (SMTP, set()),
        ({**SMTP, "username": "u", "password": REF, "tls": "tls", "port": 465}, set()),
        (HOOK, set()),
        (_without(HOOK, "url", webhook_url=REF, signing_secret=REF), set()),
        (_without(HOOK, "url", provider="teams", webhook_url=REF), set()),
        (_without(SLACK, "token"), {("missing-field", ("token",))}),
        ({**SLACK, "webhook_url": REF}, {("conflicting-fields", ("token",)), ("conflicting-fields", ("recipients", "sales"))}),
        ({**SLACK, "token": "xoxb-1"}, {("plaintext-secret", ("token",))}),
        ({**SLACK, "host": "mail.example.com"}, {("conflicting-fields", ("host",))}),
        ({**SLACK, "recipients": {}}, {("too-short", ("recipients",))}),
        ({**SLACK, "recipients": {"sales": []}}, {("missing-value", ("recipients", "sales"))}),
        ({**SLACK, "recipients": {"sales": ["<!channel>"]}}, {("invalid-format", ("recipients", "sales", 0))}),
        ({**SLACK, "recipients": {"sales": ["@ceo"]}}, {("invalid-format", ("recipients", "sales", 0))}),
        (_without(SMTP, "from"), {("missing-field", ("from",))}),
        ({**HOOK, "from": "a@example.com"}, {("conflicting-fields", ("from",))}),
        ({**SMTP, "from": "A <a@example.com>"}, {("invalid-format", ("from",))}),
        ({**SMTP, "recipients": {"s": ["a@b.example,c@d.example"]}}, {("invalid-format", ("recipients", "s", 0))}),
        ({**SMTP, "recipients": {"s": ["a@b.example\nBcc: x@y"]}}, {("invalid-format", ("recipients", "s", 0))}),
        ({**SMTP, "recipients": {"s": ["ä@b.example"]}}, {("invalid-format", ("recipients", "s", 0))}),
        ({**SMTP, "username": "u"}, {("missing-field", ("password",))}),
        ({**SMTP, "tls": "none", "username": "u", "password": REF}, {("conflicting-fields", ("username",)), ("conflicting-fields", ("password",))}),
        (_without(HOOK, "url"), {("missing-field", ("url",))}),
        ({**HOOK, "headers": {"X-Api-Key": "x"}}, {("plaintext-secret", ("headers", "X-Api-Key"))}),
        ({**HOOK, "recipients": {"sales": ["#a"]}}, {("conflicting-fields", ("recipients", "sales"))}),
        ({**SLACK, "provider": "pager"}, {("invalid-choice", ("provider",))}),
    ],
)  # fmt: skip
def test_connectors(raw: dict[str, Any], expected: Any) -> None:
    assert found("connector", raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({**MESSAGE, "to": []}, {("too-short", ("to",))}),
        ({**MESSAGE, "text": "a {b"}, {("invalid-placeholder", ("text",))}),
        ({**MESSAGE, "text": "a { b }"}, {("invalid-placeholder", ("text",))}),
        ({**MESSAGE, "text": "a\x07"}, {("control-character", ("text",))}),
        ({**MESSAGE, "text": "a\u202eb"}, {("unseen-character", ("text",))}),
        ({**MESSAGE, "subject": "a\nb"}, {("invalid-format", ("subject",))}),
        ({**MESSAGE, "digest_minutes": 0}, {("out-of-range", ("digest_minutes",))}),
        ({**MESSAGE, "action": "search"}, {("conflicting-fields", ("action",))}),
    ],
)
def test_templates(raw: dict[str, Any], expected: Any) -> None:
    assert found("template", raw) == expected


@pytest.mark.parametrize(
    ("template", "connector", "expected"),
    [
        (MESSAGE, SLACK, []),
        ({**MESSAGE, "subject": "New"}, SMTP, []),
        ({**MESSAGE, "subject": "New"}, HOOK, []),
        (MESSAGE, HOOK, []),
        ({**MESSAGE, "to": ["ceo"]}, SLACK, [("unknown-recipient", ("to", 0))]),
        ({**MESSAGE, "subject": "New"}, SLACK, [("conflicting-fields", ("subject",))]),
        (MESSAGE, SMTP, [("missing-field", ("connector",))]),
        (MESSAGE, minimal("connector", "http"), [("connector-mismatch", ("connector",))]),
        ({**MESSAGE, "text": "{id}"}, SLACK, [("undeclared-parameter", ("text",))]),
        ({**MESSAGE, "parameters": {"id": {"type": "string"}}}, SLACK, [("unused-parameter", ("parameters", "id"))]),
        ({**MESSAGE, "timeout_seconds": 31}, SLACK, [("cap-exceeds-connector", ("timeout_seconds",))]),
        (
            {**MESSAGE, "subject": "{id}", "parameters": {"id": {"type": "string", "default": "a\nb"}}},
            HOOK,
            [("parameter-mismatch", ("parameters", "id", "default"))],
        ),
    ],
)
def test_templates_with_their_connector(template: Any, connector: Any, expected: Any) -> None:
    problems = checked("template", "t", template_t=template, connector_alerts=connector)
    assert [(one.code, one.path) for one in problems] == expected
    if not any(path[0] in {"parameters", "timeout_seconds"} for _, path in expected):
        assert fits(body("template", template), None, body("connector", connector)) is (not expected)


@pytest.mark.parametrize(
    ("before", "after", "widens"),
    [
        ({"sales": ["#a"]}, {"sales": ["#a", "#b"]}, True),
        ({"sales": ["#a"]}, {"sales": ["#b"]}, True),
        ({"sales": ["#a"]}, {"sales": ["#a"], "ops": ["#a"]}, True),
        ({"sales": ["#a", "#b"]}, {"sales": ["#a"]}, False),
        ({"sales": ["#a"], "ops": ["#b"]}, {"ops": ["#b"]}, False),
    ],
)
def test_another_address_widens_access(before: Any, after: Any, widens: bool) -> None:
    bodies = [body("connector", {**SLACK, "recipients": one}) for one in (before, after)]
    risks = risks_of(Change(Address("acme", "connector", "x"), Action.UPDATE, *bodies))
    assert ("access-widened" in risks) is widens


def test_addresses_stand_once_and_a_webhook_has_one_place() -> None:
    slack = body("connector", {**SLACK, "recipients": {"a": ["#x", "#y"], "b": ["#y"]}})
    assert addresses_of(slack, ["a", "b"]) == ["#x", "#y"]
    assert addresses_of(slack, ["gone"]) == []
    assert addresses_of(body("connector", HOOK), ["sales"]) == [""]

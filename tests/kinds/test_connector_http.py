"""Connectors of type http, and what they share with others: authentication and headers."""

from __future__ import annotations

from typing import Any

import pytest

from .support import REF, body, found, minimal

OAUTH = {"type": "oauth2", "token_url": "https://l.example/t", "client_id": "a", "client_secret": REF}


def _http(**fields: Any) -> Any:
    return found("connector", minimal("connector", "http", **fields))


@pytest.mark.parametrize(
    "auth",
    [
        {"type": "none"},
        {"type": "bearer", "token": REF},
        {"type": "api_key", "key": REF},
        {"type": "api_key", "key": REF, "header": "X-Token", "in": "header"},
        {"type": "api_key", "key": REF, "header": "apikey", "in": "query"},
        {"type": "basic", "username": "bob", "password": REF},
        OAUTH,
        {**OAUTH, "scopes": ["b", "a"]},
    ],
)
def test_auth(auth: dict[str, Any]) -> None:
    assert body("connector", minimal("connector", "http", auth=auth))["auth"].keys() >= auth.keys()


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ({"type": "bearer", "token": "abc"}, {("plaintext-secret", ("auth", "token"))}),
        ({"type": "api_key", "key": "abc"}, {("plaintext-secret", ("auth", "key"))}),
        ({"type": "api_key", "key": REF, "header": "a b"}, {("invalid-header", ("auth", "header"))}),
        ({"type": "basic", "password": REF}, {("missing-field", ("auth", "username"))}),
        ({**OAUTH, "token_url": "nowhere"}, {("invalid-url", ("auth", "token_url"))}),
        ({**OAUTH, "client_secret": "abc"}, {("plaintext-secret", ("auth", "client_secret"))}),
        ({"type": "none", "token": REF}, {("unknown-field", ("auth", "token"))}),
    ],
)
def test_wrong_auth(auth: dict[str, Any], expected: Any) -> None:
    assert _http(auth=auth) == expected


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Request-Source": "agents"},
        {"Accept": "application/json; charset=utf-8"},
        {"Authorization": REF},
        {"X-Api-Key": "env://KEY"},
        {"X-Api-Key": {"plain": "public-demo-key"}},
        {"X-Source": REF},
        {"X-Source": {"plain": ""}},
    ],
)
def test_headers(headers: dict[str, Any]) -> None:
    assert body("connector", minimal("connector", "http", headers=headers))["headers"] == headers


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Authorization": "Token abc"}, "plaintext-secret"),
        ({"authorization": ""}, "plaintext-secret"),
        ({"X-Api-Key": "abc"}, "plaintext-secret"),
        ({"Cookie": "a=b"}, "plaintext-secret"),
        ({"X-Auth-Token": "abc"}, "plaintext-secret"),
        ({"Ocp-Apim-Subscription-Key": "abc"}, "plaintext-secret"),
        ({"X-Whatever": "Bearer abc"}, "plaintext-secret"),
        ({"X-Whatever": "basic abc"}, "plaintext-secret"),
        ({"X-Whatever": "vault://broken"}, "plaintext-secret"),
        ({"X-A": "a\nb"}, "invalid-header"),
        ({"X-A": "a\r\nX-B: c"}, "invalid-header"),
        ({"a b": "c"}, "invalid-header"),
        ({"": "c"}, "invalid-header"),
        ({"Host": "c"}, "forbidden-header"),
        ({"content-length": "5"}, "forbidden-header"),
        ({"X-A": 5}, "wrong-type"),
        ({"X-A": None}, "wrong-type"),
    ],
)
def test_wrong_headers(headers: dict[str, Any], code: str) -> None:
    (name,) = headers
    assert _http(headers=headers) == {(code, ("headers", name))}


def test_headers_in_two_spellings() -> None:
    assert _http(headers={"X-A": "1", "x-a": "2"}) == {("duplicate-item", ("headers", "x-a"))}


def test_plain_is_a_map_of_one() -> None:
    assert _http(headers={"X-A": {"plain": 5}}) == {("wrong-type", ("headers", "X-A", "plain"))}
    assert _http(headers={"X-A": {"plan": "x"}}) == {
        ("unknown-field", ("headers", "X-A", "plan")),
        ("missing-field", ("headers", "X-A", "plain")),
    }


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("base_url", "https://bob:pw@x.example", {("url-with-credentials", ("base_url",))}),
        ("base_url", "https://x.example/?key=1", {("invalid-url", ("base_url",))}),
        ("base_url", "x.example", {("invalid-url", ("base_url",))}),
        ("base_url", "https://", {("invalid-url", ("base_url",))}),
        ("base_url", "https://x.example/a b", {("invalid-url", ("base_url",))}),
        ("base_url", "https://x.example:99999", {("invalid-url", ("base_url",))}),
        ("allowed_methods", [], {("too-short", ("allowed_methods",))}),
        ("allowed_methods", ["get"], {("invalid-choice", ("allowed_methods", 0))}),
        ("allowed_methods", ["GET", "GET"], {("duplicate-item", ("allowed_methods",))}),
        ("timeout_seconds", 0, {("out-of-range", ("timeout_seconds",))}),
        ("max_response_bytes", 2**31, {("out-of-range", ("max_response_bytes",))}),
        ("rate_limit", 0, {("out-of-range", ("rate_limit",))}),
        ("retries", 11, {("out-of-range", ("retries",))}),
        ("retries", -1, {("out-of-range", ("retries",))}),
        ("capabilities", ["fly"], {("invalid-choice", ("capabilities", 0))}),
        (
            "network_exceptions",
            [{"cidr": "10.0.0.1/8", "port": 80}],
            {("invalid-cidr", ("network_exceptions", 0, "cidr"))},
        ),
        ("network_exceptions", [{"cidr": "10.0.0.0/8"}], {("missing-field", ("network_exceptions", 0, "port"))}),
        (
            "network_exceptions",
            [{"cidr": "10.0.0.0/8", "port": 0}],
            {("out-of-range", ("network_exceptions", 0, "port"))},
        ),
    ],
)
def test_wrong_fields(field: str, value: Any, expected: Any) -> None:
    assert _http(**{field: value}) == expected


def test_sets_are_sorted() -> None:
    exceptions = [{"cidr": "10.2.0.0/16", "port": 443}, {"cidr": "10.1.0.0/16", "port": 443}]
    made = body(
        "connector", minimal("connector", "http", allowed_methods=["POST", "GET"], network_exceptions=exceptions)
    )
    assert made["allowed_methods"] == ["GET", "POST"]
    assert made["network_exceptions"] == exceptions[::-1]


def test_only_reading_is_allowed_by_default() -> None:
    assert body("connector", minimal("connector", "http"))["allowed_methods"] == ["GET", "HEAD"]

"""Errors in both formats, as the official SDKs read them; and the headers that pass."""

from __future__ import annotations

import json

import anthropic
import httpx
import httpx2
import openai
import pytest

from reconciler.runtime.llm.errors import WireError, bytes_of, event_of, head_of
from reconciler.runtime.llm.headers import betas, returned, sent

CLASSES = [
    ("unauthenticated", 401, openai.AuthenticationError, anthropic.AuthenticationError),
    ("not-found", 404, openai.NotFoundError, anthropic.NotFoundError),
    ("state-not-supported", 400, openai.BadRequestError, anthropic.BadRequestError),
    ("limit-exceeded", 429, openai.RateLimitError, anthropic.RateLimitError),
    ("frozen", 403, openai.PermissionDeniedError, anthropic.PermissionDeniedError),
    ("unavailable", 503, openai.InternalServerError, anthropic.InternalServerError),
]


def answered(error, format_, http):
    status, headers = head_of(error, format_)
    return http.MockTransport(lambda request: http.Response(status, headers=headers, content=bytes_of(error, format_)))


@pytest.mark.parametrize(("code", "status", "of_openai", "of_anthropic"), CLASSES)
def test_sdks_read_them(code, status, of_openai, of_anthropic):
    error = WireError(code, "words", status, "field", 7, "e1")
    client = openai.OpenAI(
        api_key="k",
        base_url="http://x/v1",
        max_retries=0,
        http_client=httpx.Client(transport=answered(error, "openai", httpx)),
    )
    with pytest.raises(of_openai) as caught:
        client.chat.completions.create(model="m", messages=[])
    assert caught.value.code == {"not-found": "model_not_found"}.get(code, code.replace("-", "_"))
    assert caught.value.param == "field"
    assert caught.value.request_id == "e1"
    other = anthropic.Anthropic(
        api_key="k",
        base_url="http://x",
        max_retries=0,
        http_client=httpx2.Client(transport=answered(error, "anthropic", httpx2)),
    )
    with pytest.raises(of_anthropic) as found:
        other.messages.create(model="m", max_tokens=1, messages=[])
    assert found.value.status_code == (529 if status == 503 else status)
    assert found.value.body["error"]["message"] == "words"
    assert found.value.request_id == "e1"


@pytest.mark.parametrize(
    ("code", "status", "retries"),
    [
        ("limit-busy", 429, "true"),
        ("limit-exceeded", 429, "false"),
        ("limit-unreachable", 429, "false"),
        ("unavailable", 503, "true"),
        ("not-found", 404, "false"),
        ("upstream-failed", 502, "false"),
        ("internal-error", 500, "false"),
    ],
)
def test_sdks_are_told_whether_to_retry(code, status, retries):
    for format_ in ("openai", "anthropic"):
        _, headers = head_of(WireError(code, "words", status), format_)
        assert headers["x-should-retry"] == retries


def test_the_last_event_of_a_failed_stream():
    error = WireError("stream-cut", "words", 502)
    assert event_of(error, "openai").startswith(b'data: {"error":')
    assert event_of(error, "anthropic").startswith(b'event: error\ndata: {"type":"error"')
    assert json.loads(event_of(error, "openai")[6:])["error"]["code"] == "stream_cut"


def test_headers_pass_by_lists():
    given = [
        (b"Authorization", b"Bearer rk_x"),
        (b"x-api-key", b"rk_x"),
        (b"Cookie", b"a=b"),
        (b"OpenAI-Organization", b"org-x"),
        (b"x-stainless-lang", b"python"),
        (b"Anthropic-Version", b"2023-06-01"),
        (b"anthropic-beta", b"a, b"),
        (b"anthropic-beta", b"c"),
    ]
    assert sent("openai", given) == {}
    assert sent("anthropic", given) == {"anthropic-version": "2023-06-01", "anthropic-beta": "a, b,c"}
    assert betas(sent("anthropic", given)) == ["a", "b", "c"]
    assert sent("anthropic", [(b"anthropic-version", b"x\r\ny: z")]) == {}
    answer = [
        ("Content-Type", "application/json"),
        ("Set-Cookie", "x"),
        ("openai-organization", "org"),
        ("Retry-After", "3"),
    ]
    assert returned(answer) == {"content-type": "application/json", "retry-after": "3"}

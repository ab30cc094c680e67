"""Messages by Slack: `chat.postMessage` with a bot's token, or an incoming webhook whose URL is the secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler import strict_json
from reconciler.model.body import Body
from reconciler.model.health import REFUSED
from reconciler.runtime.connectors.message import Outgoing, Undelivered, Way
from reconciler.runtime.connectors.message_http import Reply, post, require_taken
from reconciler.strict_json import NotStrict

API = "https://slack.com/api"
_PLAIN: Mapping[str, Any] = {
    "mrkdwn": False,
    "parse": "none",
    "link_names": False,
    "unfurl_links": False,
    "unfurl_media": False,
}
"""Slack shows the text as it is: no markup, no mentions, no links, no previews."""
_CREDENTIAL = frozenset(
    {
        "account_inactive",
        "invalid_auth",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "token_expired",
        "token_revoked",
    }
)
_LIMITED = frozenset({"ratelimited", "rate_limited"})
_PASSING = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"})
_DEAD = frozenset(
    {
        "channel_not_found",
        "is_archived",
        "msg_too_long",
        "no_text",
        "not_in_channel",
        "restricted_action",
        "user_not_found",
    }
)
"""By what Slack calls them: refusals of the token, limits, passing failures, and refusals of this very message."""


async def send(outgoing: Outgoing, address: str, way: Way) -> None:
    """Make one attempt. Raises Undelivered, Failed."""
    content: dict[str, Any] = {"text": escaped(outgoing.text), **_PLAIN}
    if (url := way.body.get("webhook_url")) is not None:
        require_taken(await post(await way.secret(url), _headers(), strict_json.write(content), way))
        return
    content |= {"channel": address, "metadata": {"event_type": "message", "event_payload": {"id": outgoing.id}}}
    require_ok(await _call("chat.postMessage", content, way))


async def ping(way: Way) -> None:
    """Ask who the token is. Raises Undelivered, Failed."""
    require_ok(await _call("auth.test", {}, way))


def is_askable(body: Body) -> bool:
    """Whether there is a token: an incoming webhook can only be sent a message."""
    return body.get("token") is not None


def escaped(text: str) -> str:
    """Return a text without Slack's three signs: with them links, mentions and `<!channel>` are written."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


async def _call(method: str, content: Mapping[str, Any], way: Way) -> Reply:
    base = way.body.get("base_url") or API
    token = await way.secret(way.body["token"])
    return await post(f"{base.rstrip('/')}/{method}", _headers(token), strict_json.write(content), way)


def _headers(token: str = "") -> dict[str, str]:
    own = {"Authorization": f"Bearer {token}"} if token else {}
    return {"Content-Type": "application/json; charset=utf-8", **own}


def require_ok(reply: Reply) -> None:
    """Return for an answer with `"ok": true`. Raises Undelivered; of what Slack says, only what is known here is repeated."""
    require_taken(reply)
    try:
        answer = strict_json.read(reply.data)
    except NotStrict:
        raise Undelivered("its answer can't be read", code="invalid-response") from None
    if isinstance(answer, dict) and answer.get("ok") is True:
        return
    said = answer.get("error") if isinstance(answer, dict) else None
    error = said if isinstance(said, str) else ""
    if error in _CREDENTIAL:
        raise Undelivered(f"{REFUSED} ({error})", code="credential-refused")
    if error in _LIMITED:
        raise Undelivered("it answers that there are too many requests", wait=reply.wait, code="upstream-limited")
    if error in _PASSING:
        raise Undelivered(f"it answers {error}", wait=reply.wait)
    known = error if error in _DEAD else "an error that is not known here"
    raise Undelivered(f"it refuses the message: {known}", again=False)

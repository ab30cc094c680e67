"""Access tokens of a service account of Google, fetched with its key through the guard of addresses, and kept until shortly before they end.

Source: Using OAuth 2.0 for Server to Server Applications (an assertion of RFC 7523, signed with RS256).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from reconciler import strict_json
from reconciler.kinds.template.form import FORM
from reconciler.runtime.call import Failed
from reconciler.runtime.connectors.file_rest import Request, Rest
from reconciler.runtime.connectors.oauth_client import JWT_BEARER, signed
from reconciler.strict_json import NotStrict

TOKENS = "https://oauth2.googleapis.com/token"
_SECONDS = 3600
_EARLY = 300


class GoogleTokens:
    """The token of one connector for one scope; ``note`` is told of each, so that no answer holds one.

    With an ``audience`` in place of a scope it is an ID token, which proves to that service alone who calls.
    """

    def __init__(self, rest: Rest, scope: str, note: Callable[[str], None], audience: str = "") -> None:
        self._rest, self._note = rest, note
        self._asked = {"target_audience": audience} if audience else {"scope": scope}
        self._field = "id_token" if audience else "access_token"
        self._token, self._key, self._ends = "", "", 0.0

    async def token(self, key: str, anew: bool) -> str:
        """Return a token for a service account's key, which is JSON. Raises Failed."""
        if anew or key != self._key or time.monotonic() > self._ends:
            self._token, seconds = await self._fetched(key)
            self._note(self._token)
            self._key, self._ends = key, time.monotonic() + seconds - _EARLY
        return self._token

    async def _fetched(self, key: str) -> tuple[str, float]:
        account = _account(key)
        endpoint = account.get("token_uri") or TOKENS
        said = {"iss": account["client_email"], "aud": endpoint, **self._asked}
        assertion = signed(said, _SECONDS, account["private_key"], account.get("private_key_id"))
        form = urlencode({"grant_type": JWT_BEARER, "assertion": assertion}).encode()
        headers = {"Content-Type": FORM}
        try:
            found = strict_json.read((await self._rest.ask(Request("POST", endpoint, headers, form))).decode())
            token, seconds = found[self._field], found.get("expires_in", _SECONDS)
            if (
                not isinstance(token, str)
                or not isinstance(seconds, int)
                or not token.isascii()
                or not token.isprintable()
            ):
                raise TypeError
        except (NotStrict, UnicodeDecodeError, KeyError, TypeError, AttributeError):
            raise Failed("token-refused", "the server of tokens gives none", "blocked") from None
        except Failed as error:
            if error.code in {"address-refused", "unreachable"}:
                raise Failed(error.code, str(error), "blocked" if error.outcome == "blocked" else "failure") from None
            raise Failed("token-refused", "the server of tokens gives none", "blocked") from None
        return token, float(seconds)


def _account(key: str) -> dict[str, Any]:
    """Return a service account's key. Raises Failed for a text that is none."""
    try:
        found = strict_json.read(key)
    except NotStrict:
        found = None
    needed = ("client_email", "private_key")
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in needed):
        message = "the credential is no key of a service account, as JSON with `client_email` and `private_key`"
        raise Failed("credential-unresolved", message, "blocked")
    if not isinstance(found.get("token_uri", ""), str):
        raise Failed("credential-unresolved", "the key's `token_uri` is no text", "blocked")
    return found

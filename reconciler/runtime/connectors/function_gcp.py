"""Functions of Google Cloud over HTTP, each with an ID token for its own address.

Source: Authenticate for invocation (a service account's JWT with ``target_audience``, exchanged for an ID token).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from reconciler.model.body import Body
from reconciler.runtime.call import Failed, Surroundings
from reconciler.runtime.connectors.file_rest import Request, Rest
from reconciler.runtime.connectors.function import Engine, Invocation, Invoked, function_failed, too_large
from reconciler.runtime.connectors.google import GoogleTokens

_WORDS: Mapping[str, str] = {
    "credential-refused": "the function refuses the credential",
    "upstream-limited": "the cloud says that a limit of its own is used up",
    "upstream-failed": "the function refuses what it was sent",
    "unreachable": "the function can't be reached, or ended the connection",
}


async def open_engine(tenant: str, connector: Body, around: Surroundings) -> Engine:
    """Reaches nobody yet."""
    return _Functions(tenant, connector, around)


class _Functions:
    """The functions of one project and region."""

    most_bytes = most_bytes_async = 10 * 1024 * 1024

    def __init__(self, tenant: str, connector: Body, around: Surroundings) -> None:
        self._tenant, self._body, self._around = tenant, connector, around
        self._rest = Rest(connector, around)
        self._tokens: dict[str, GoogleTokens] = {}
        self._held: dict[str, str] = {}

    def _url(self, function: str) -> str:
        base = self._body.get("endpoint_url")
        own = f"https://{self._body['region']}-{self._body['project']}.cloudfunctions.net"
        return f"{(base or own).rstrip('/')}/{quote(function, safe='')}"

    async def authorize(self, function: str, anew: bool) -> None:
        reference = self._body.get("credential")
        if reference is None:
            message = "the connector has no `credential`, and the identity of the machine is not used"
            raise Failed("credential-unresolved", message, "blocked")
        resolve = self._around.resolve_anew if anew else self._around.resolve
        key = await resolve(self._tenant, reference)
        url = self._url(function)
        if url not in self._tokens:
            self._tokens[url] = GoogleTokens(self._rest, "", self._note, audience=url)
        self._held[url] = await self._tokens[url].token(key, anew)

    def _note(self, token: str) -> None:
        self._around.note(self._tenant, token)

    async def invoke(self, asked: Invocation) -> Invoked:
        url = self._url(asked.function)
        headers = {"Authorization": f"Bearer {self._held[url]}", "Content-Type": "application/json"}
        try:
            data = await self._rest.ask(Request("POST", url, headers, asked.event), asked.most)
        except Failed as error:
            if error.code == "too-large":
                raise too_large() from None
            if error.code == "upstream-failed" and error.outcome == "unknown":
                raise function_failed() from None
            raise Failed(error.code, _WORDS.get(error.code, str(error)), error.outcome, *error.said) from None
        return Invoked(data, "")

    async def ping(self, functions: list[str]) -> None:
        """Ask for a token: a request to a function would call it."""
        await self.authorize(functions[0] if functions else "", anew=False)

    async def close(self) -> None:
        await self._rest.close()

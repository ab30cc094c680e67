"""The methods of the agents' MCP server: the tools of the caller, and no others. The transports are in rooms of their own."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from reconciler import __version__, strict_json
from reconciler.access.judge import Caller
from reconciler.model.access import APPROVED_CALL
from reconciler.runtime.approvals import Pending
from reconciler.runtime.gate import Labels
from reconciler.runtime.mediator import Done, Mediator, Refusal
from reconciler.runtime.surfaces.approved import TOOL, listing_with_approved, pending_result
from reconciler.runtime.surfaces.labels import BadLabel, labels
from reconciler.runtime.surfaces.mcp_wire import (
    HANDSHAKE_VERSIONS,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MODERN_VERSIONS,
    VERSION_KEY,
    Fault,
    Request,
    Result,
    require_envelope,
    require_version,
)
from reconciler.runtime.surfaces.offer import AllTools, ToolOffer, listing
from reconciler.runtime.surfaces.search import CALL, FIND, LONGEST_QUERY, MOST_FOUND, SEARCH_TOOLS, USUAL, index_of
from reconciler.runtime.surfaces.tools import done_of, refusal_of
from reconciler.runtime.surfaces.traced import McpSpans
from reconciler.runtime.tracing import TOOL_ERROR

log = logging.getLogger("reconciler.runtime")
NO_LABELS = Labels()
RUN_KEY, KEY_KEY = "reconciler/run-id", "reconciler/idempotency-key"
"""In the `_meta` of a call."""
EVIDENCE_KEY, WARNINGS_KEY, REPLAYED_KEY = "reconciler/evidence-id", "reconciler/warnings", "reconciler/replayed"
UNTRUSTED_KEY = "reconciler/untrusted"
"""In the `_meta` of a result; the last says that somebody else's server wrote it."""
SERVER_INFO_KEY = "io.modelcontextprotocol/serverInfo"
SERVER_INFO = {"name": "reconciler", "version": __version__}
CAPABILITIES: dict[str, Any] = {"tools": {"listChanged": False}}
UNKNOWN_TOOL = "There is no tool of this name that you may use."
CUT = "Rows were cut: there are more than this call may return. Ask for less, or for the rest."

Method = Callable[[Caller, Request, Labels], Awaitable[dict[str, Any]]]


class Mcp:
    """Requests of proved callers into results. It has no sessions: each request is decided anew.

    ``offer`` is what it offers; without one, all that a caller may call. ``spans`` is None where nothing is traced.
    """

    def __init__(self, mediator: Mediator, offer: ToolOffer | None = None, spans: McpSpans | None = None) -> None:
        self._mediator, self._offer, self._spans = mediator, offer or AllTools(mediator), spans
        shared: dict[str, Method] = {"tools/list": self._list_tools, "tools/call": self._call_tool}
        self._legacy: Mapping[str, Method] = {"initialize": _initialize, "ping": _ping, **shared}
        self._modern: Mapping[str, Method] = {"server/discover": _discover, **shared}

    async def answer(self, who: Caller, request: Request, beside: Labels = NO_LABELS, trace: str = "") -> Result:
        """Return a result, in the era of the handshake. ``beside`` and ``trace`` came beside the message. Raises Fault."""
        return _written(await self._run(self._legacy, who, request, beside, trace))

    async def answer_modern(self, who: Caller, request: Request, beside: Labels = NO_LABELS, trace: str = "") -> Result:
        """Return the same in the era without one, where results say how long they may be cached: no decision is. Raises Fault."""
        require_envelope(request)
        require_version(request.meta[VERSION_KEY], request.id)
        result = await self._run(self._modern, who, request, beside, trace)
        meta = {**result.get("_meta", {}), SERVER_INFO_KEY: SERVER_INFO}
        hints = {} if request.method == "tools/call" else {"ttlMs": 0, "cacheScope": "private"}
        return _written({**result, **hints, "resultType": "complete", "_meta": meta})

    async def _run(
        self, methods: Mapping[str, Method], who: Caller, request: Request, beside: Labels, trace: str
    ) -> dict[str, Any]:
        if self._spans is None:
            return await self._answered(methods, who, request, beside)
        with self._spans.of(request, methods, trace) as part:
            result = await self._answered(methods, who, request, beside)
            if result.get("isError"):
                part.fail(TOOL_ERROR)
            return result

    async def _answered(
        self, methods: Mapping[str, Method], who: Caller, request: Request, beside: Labels
    ) -> dict[str, Any]:
        method = methods.get(request.method)
        if method is None:
            raise Fault(METHOD_NOT_FOUND, "This method is not offered.", id=request.id)
        try:
            return await method(who, request, beside)
        except Fault:
            raise
        except Exception:
            log.exception("a request over MCP failed")
            raise Fault(INTERNAL_ERROR, "This is a defect of the server.", id=request.id) from None

    async def _list_tools(self, who: Caller, request: Request, _labels: Labels) -> dict[str, Any]:
        if request.params.get("cursor") is not None:
            raise Fault(INVALID_PARAMS, "`cursor` is none of this server's: a list has one page.", id=request.id)
        try:
            awaits = self._mediator.awaits(who)
            if self._offer.searches(who):
                text = b"[%b]" % b",".join([TOOL, *SEARCH_TOOLS] if awaits else SEARCH_TOOLS)
            else:
                text = self._offer.made(who, listing_with_approved if awaits else listing)
        except Refusal as refusal:
            message = "It can't be done safely at the moment."
            raise Fault(INTERNAL_ERROR, message, refusal_of(refusal), request.id) from None
        return {"tools": strict_json.embedded(text)}

    async def _call_tool(self, who: Caller, request: Request, beside: Labels) -> dict[str, Any]:
        name, arguments = request.params.get("name"), request.params.get("arguments")
        if not isinstance(name, str):
            raise Fault(INVALID_PARAMS, "`name` is no string.", id=request.id)
        if arguments is not None and not isinstance(arguments, dict):
            raise Fault(INVALID_PARAMS, "`arguments` is no object.", id=request.id)
        if name in {FIND, CALL} and self._offer.searches(who):
            return await self._search(who, request, beside)
        return await self._called(who, request, beside, name, arguments or {})

    async def _search(self, who: Caller, request: Request, beside: Labels) -> dict[str, Any]:
        """Answer the tools to find tools with: what is found may be called, and is called as if it had been listed."""
        arguments = request.params.get("arguments") or {}
        if request.params["name"] == FIND:
            query, most = arguments.get("query"), arguments.get("limit", USUAL)
            if not isinstance(query, str) or type(most) is not int or not 1 <= most <= MOST_FOUND:
                raise Fault(INVALID_PARAMS, f"`query` is text, and `limit` a number up to {MOST_FOUND}.", id=request.id)
            found = self._offer.made(who, index_of).find(query[:LONGEST_QUERY], most)
            told = b'{"tools":[%b]}' % b",".join(found)
            structured = strict_json.embedded(told)
            return {"content": [_text(told)], "structuredContent": structured, "isError": False, "_meta": {}}
        name, values = arguments.get("name"), arguments.get("arguments", {})
        if not isinstance(name, str) or not isinstance(values, dict) or arguments.keys() - {"name", "arguments"}:
            raise Fault(INVALID_PARAMS, "`name` is text, and `arguments` an object.", id=request.id)
        return await self._called(who, request, beside, name, values)

    async def _called(
        self, who: Caller, request: Request, beside: Labels, name: str, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        try:
            run, key = _labels_of(request, beside)
            if name == APPROVED_CALL:
                return _result(await self._mediator.redeem(who, str(arguments.get("approval_id", "")), run, key))
            done = await self._mediator.access(who, self._offer.ask(who, name), arguments, run, key)
            return _result(done)
        except Pending as pending:
            return pending_result(pending)
        except BadLabel as error:
            raise Fault(INVALID_PARAMS, error.message, {"code": error.code}, request.id) from None
        except Refusal as refusal:
            if refusal.code == "not-found":
                raise Fault(INVALID_PARAMS, UNKNOWN_TOOL, refusal_of(refusal), request.id) from None
            return _refused(refusal)


def _written(result: dict[str, Any]) -> Result:
    told = result.get("structuredContent")
    refusal = told.get("code", "") if result.get("isError") and UNTRUSTED_KEY not in result["_meta"] and told else ""
    return Result(strict_json.write_around(result), refusal)


def _labels_of(request: Request, beside: Labels) -> Labels:
    """Return the labels of a call: those of `_meta` win over those beside the message. Raises BadLabel."""
    meta = request.meta
    if RUN_KEY not in meta and KEY_KEY not in meta:
        return beside
    return labels(meta.get(RUN_KEY, beside.run), meta.get(KEY_KEY, beside.key), (RUN_KEY, KEY_KEY))


async def _initialize(_who: Caller, request: Request, _labels: Labels) -> dict[str, Any]:
    asked = request.params.get("protocolVersion")
    if not isinstance(asked, str):
        raise Fault(INVALID_PARAMS, "`protocolVersion` is no string.", id=request.id)
    version = asked if asked in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]
    return {"protocolVersion": version, "capabilities": CAPABILITIES, "serverInfo": SERVER_INFO}


async def _ping(_who: Caller, _request: Request, _labels: Labels) -> dict[str, Any]:
    return {}


async def _discover(_who: Caller, _request: Request, _labels: Labels) -> dict[str, Any]:
    return {"supportedVersions": [*MODERN_VERSIONS], "capabilities": CAPABILITIES}


def _result(done: Done) -> dict[str, Any]:
    """Return a result. A tool of another server answers as that one does, with what we say of it in `_meta` alone."""
    meta: dict[str, Any] = {EVIDENCE_KEY: done.evidence_id}
    if done.foreign:
        return {**strict_json.read(done.answer.json), "_meta": {**meta, **_said(done), UNTRUSTED_KEY: True}}
    content = [_text(done.answer.json)]
    if done.answer.cut:
        content.append(_text(CUT.encode()))
    told = {**meta, **_said(done)}
    return {"content": content, "structuredContent": done_of(done), "isError": False, "_meta": told}


def _said(done: Done) -> dict[str, Any]:
    warned = {WARNINGS_KEY: [*done.warned]} if done.warned else {}
    return {**warned, **({REPLAYED_KEY: True} if done.replayed else {})}


def _refused(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal inside of a result, so that the model can see it and correct itself."""
    told = refusal_of(refusal)
    meta = {EVIDENCE_KEY: refusal.evidence_id} if refusal.evidence_id else {}
    return {"content": [_text(strict_json.write(told))], "structuredContent": told, "isError": True, "_meta": meta}


def _text(text: bytes) -> dict[str, str]:
    return {"type": "text", "text": text.decode()}

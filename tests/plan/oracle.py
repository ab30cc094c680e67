"""The digests of a plan's document as its format defines them, without the program's code for them."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from reconciler.model.body import canonical

APART = ("digest", "hmac", "revision", "sources_digest")


def content_digest(document: dict[str, Any]) -> str:
    content = {key: value for key, value in document.items() if key not in APART}
    changes = [*map(_without_sources, document["resource_changes"])]
    return sha256(canonical({**content, "resource_changes": changes}).encode()).hexdigest()


def sources_digest(document: dict[str, Any]) -> str:
    changes = [*map(_sources, document["resource_changes"])]
    return sha256(canonical([document["revision"], changes]).encode()).hexdigest()


def _without_sources(change: dict[str, Any]) -> dict[str, Any]:
    fields = [{**field, "source": None} for field in change["fields"]]
    kept = {key: value for key, value in change.items() if key != "sources"}
    return kept | {"source": None, "fields": fields, "status": []}


def _sources(change: dict[str, Any]) -> list[Any]:
    found = [change["source"], [field["source"] for field in change["fields"]]]
    found += [change["sources"]] if change.get("sources") else []
    return [*found, {"status": change["status"]}] if change["status"] else found

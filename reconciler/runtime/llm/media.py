"""Images, sounds and files in a request, found wherever they stand: base64 in the body, a URL, or the id of an upload."""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from reconciler.runtime.llm.request import Medium

Kind: TypeAlias = Literal["image", "audio", "file"]
_TYPES: Mapping[str, Kind] = {
    "image_url": "image",
    "input_image": "image",
    "image": "image",
    "computer_screenshot": "image",
    "input_audio": "audio",
    "audio": "audio",
}
"""By the type of a content part; what is found in others is a file, of which nothing is known."""
_REFERENCES = ("file_id", "file_url", "image_url", "video_url", "audio_url", "url")
_INLINE = ("data", "file_data", "b64_json")
_OWN = frozenset({"input", "arguments", "parameters", "input_schema", "tools"})
"""Keys, below the top, whose values are of the agent's tools: nothing in them is fetched."""


def media_in(body: Mapping[str, Any]) -> tuple[Medium, ...]:
    """Return the media of a request, in the order in which they stand."""
    parts = [body.get(name) for name in ("messages", "input", "system", "prediction")]
    return (*_found(parts, "", ""),)


def _found(value: Any, kind: str, detail: str) -> Iterator[Medium]:
    """Yield the media below a value. ``kind`` and ``detail`` come from the content part that it stands in."""
    if isinstance(value, list):
        for one in value:
            yield from _found(one, kind, detail)
    elif isinstance(value, dict):
        yield from _in_part(value, kind, detail)


def _in_part(part: Mapping[str, Any], kind: str, detail: str) -> Iterator[Medium]:
    own, more = part.get("type"), part.get("detail")
    kind = own if isinstance(own, str) and own not in {"base64", "url", "file", "text", "content"} else kind
    detail = more if isinstance(more, str) else detail
    for name, value in part.items():
        if isinstance(value, str):
            if (name in _REFERENCES or (name in _INLINE and kind)) and value:
                yield _medium(value, name, kind, detail, part)
        elif name == "audio" and isinstance(value, dict) and "id" in value:
            yield Medium("audio", 0)  # an answer of an earlier call, which the provider keeps
        elif name not in _OWN and isinstance(value, dict | list):
            yield from _found(value, name if name in _TYPES else kind, detail)


def _medium(text: str, name: str, kind: str, detail: str, part: Mapping[str, Any]) -> Medium:
    media_type = part.get("media_type")
    if name in _INLINE or text.startswith("data:"):
        head, comma, encoded = text.partition(",")
        encoded = encoded if comma else text
        media_type = head.removeprefix("data:").partition(";")[0] if comma else media_type
        inline = len(encoded) if _is_base64(encoded) else 0
    else:
        inline = 0
    return Medium(_TYPES.get(kind, "file"), inline, media_type if isinstance(media_type, str) else "", detail)


def _is_base64(text: str) -> bool:
    """Whether a text is nothing but base64: anything else counts as text, whatever it is said to be."""
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return False
    return True

"""The changes of a plan turned into an inline SVG of what refers to what, from left (needed) to right (needing)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from msgspec import Struct

from reconciler.diff.visible import visible
from reconciler.kinds.table import KINDS
from reconciler.model.risk import level_of
from reconciler.render.html.rows import RowHead
from reconciler.render.html.text import plain
from reconciler.render.html.words import ACTIONS

MOST = 150
"""Above this many nodes only those that change are drawn, risky ones first, and no more than this."""

_WIDTH, _HEIGHT, _ACROSS, _DOWN, _EDGE = 208, 40, 72, 12, 12
_LABEL = 26
_LETTERS = 22


class Graph(Struct, frozen=True):
    """The drawing, empty without nodes; how many nodes it has, how many were left out, and how high it is."""

    svg: str = ""
    nodes: int = 0
    left_out: int = 0
    height: int = 0


def draw(heads: Sequence[RowHead], dependants: Mapping[str, list[str]] | None = None) -> Graph:
    """``heads`` are those of the changes in the order of reading; ``dependants`` stay as they are and refer to what changes."""
    changed = {head.address: head for head in reversed(heads)}
    order = [*dict.fromkeys(head.address for head in heads)]
    edges = {address: _needs(address, changed[address]) for address in order[:MOST]}
    edges |= {address: ends for address, ends in (dependants or {}).items() if address not in changed}
    ends = (end for address in edges for end in edges[address]) if len(order) <= MOST else ()
    known = [*dict.fromkeys([*order, *ends, *edges])]
    kept = known if len(known) <= MOST else order[:MOST]
    inside = set(kept)
    needs = {address: [end for end in edges.get(address, []) if end in inside] for address in kept}
    places, width, height, tenants = _layout(kept, needs)
    if not kept:
        return Graph()
    drawing = [
        f'<svg viewBox="-2 0 {width} {height}" width="{width}" height="{height}" role="group" '
        'aria-label="What refers to what">'
    ]
    drawing.extend(f'<text class="tenant" x="0" y="{y + 16}">{plain(name)}</text>' for name, y in tenants)
    drawing.extend(_edge(places[end], places[start]) for start in kept for end in needs[start])
    drawing.extend(_node(address, changed.get(address), places[address]) for address in kept)
    return Graph("".join([*drawing, "</svg>"]), len(kept), len(known) - len(kept), height)


def _needs(address: str, head: RowHead) -> list[str]:
    tenant, _, rest = address.partition("/")
    kind = KINDS.get(rest.partition("/")[0])
    body = head.body() if kind is not None and head.body is not None else None
    if kind is None or not isinstance(body, dict):
        return []
    return [*dict.fromkeys(str(reference.address) for reference in kind.references_of(tenant, body))]


def _layout(
    kept: list[str], needs: Mapping[str, list[str]]
) -> tuple[dict[str, tuple[int, int]], int, int, list[tuple[str, int]]]:
    """Tenants one below the other; in each, layers from left to right, and what stands alone in rows below."""
    places: dict[str, tuple[int, int]] = {}
    tenants: list[tuple[str, int]] = []
    depths = _depths(kept, needs)
    needed = {end for ends in needs.values() for end in ends}
    y = width = 0
    for tenant in dict.fromkeys(address.partition("/")[0] for address in kept):
        own = [address for address in kept if address.partition("/")[0] == tenant]
        tenants.append((tenant, y))
        y += _LABEL
        layers: list[list[str]] = []
        for address in own:
            if needs[address] or address in needed:
                layers.extend([] for _ in range(depths[address] + 1 - len(layers)))
                layers[depths[address]].append(address)
        _untangle(layers, needs)
        for column, layer in enumerate(layers):
            for row, address in enumerate(layer):
                places[address] = (column * (_WIDTH + _ACROSS), y + row * (_HEIGHT + _DOWN))
        y += max((len(layer) for layer in layers), default=0) * (_HEIGHT + _DOWN)
        alone = [address for address in own if address not in places]
        for n, address in enumerate(alone):
            places[address] = (n % 4 * (_WIDTH + _DOWN), y + n // 4 * (_HEIGHT + _DOWN))
        y += -(-len(alone) // 4) * (_HEIGHT + _DOWN) + _EDGE
    width = max((x for x, _ in places.values()), default=0) + _WIDTH + 4
    return places, width, y, tenants


def _depths(kept: list[str], needs: Mapping[str, list[str]]) -> dict[str, int]:
    """Return the longest way to something that needs nothing; rounds are bounded, so that a circle ends as well."""
    depths = dict.fromkeys(kept, 0)
    for _ in range(12):
        before = dict(depths)
        for address in kept:
            depths[address] = max((before[end] + 1 for end in needs[address]), default=0)
        if depths == before:
            break
    return depths


def _untangle(layers: list[list[str]], needs: Mapping[str, list[str]]) -> None:
    """Sweep a few times, and give each layer the order of its neighbours' middles."""
    needed_by: dict[str, list[str]] = {}
    for start, ends in needs.items():
        for end in ends:
            needed_by.setdefault(end, []).append(start)
    for sweep in range(5):
        neighbours: Mapping[str, list[str]] = needed_by if sweep % 2 else needs
        height = {address: n for layer in layers for n, address in enumerate(layer)}
        for layer in reversed(layers) if sweep % 2 else layers:
            middles = {}
            for address in layer:
                near = [height[one] for one in neighbours.get(address, ()) if one in height]
                middles[address] = sum(near) / len(near) if near else height[address]
            layer.sort(key=middles.__getitem__)
            height |= {address: n for n, address in enumerate(layer)}


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1, x2, y2 = start[0] + _WIDTH, start[1] + _HEIGHT // 2, end[0], end[1] + _HEIGHT // 2
    bend = _ACROSS // 2
    return f'<path class="edge" d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'


def _node(address: str, head: RowHead | None, place: tuple[int, int]) -> str:
    _, _, rest = address.partition("/")
    kind, _, name = rest.partition("/")
    x, y = place
    short = name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"
    action = head.action if head else "same"
    symbol, said = ACTIONS.get(action, ("", "does not change"))
    marks = (
        (["stopped"] if head.stop else []) + ([f"risky-{level_of(head.risks[0]).value}"] if head.risks else [])
        if head
        else []
    )
    classes = " ".join(["node", action.replace(" ", "-"), *marks])
    told = f"{address} {said}" + (f" ({', '.join(head.risks)})" if head and head.risks else "")
    drawn = (
        f'<g class="{plain(classes)}" transform="translate({x} {y})"><title>{plain(told)}</title>'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        f'<text class="symbol" x="14" y="25">{plain(symbol)}</text>'
        f'<text class="kind" x="40" y="16">{plain(kind)}</text><text class="name" x="40" y="31">{plain(short)}</text></g>'
    )
    return f'<a href="#q={quote(visible(address), safe="")}">{drawn}</a>' if head else drawn

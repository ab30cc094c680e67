"""A plan's or drift's document turned into one HTML page: no network, no framework, nothing that a name can run."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib.resources import files

from reconciler.batches import Map, in_batches
from reconciler.render.html.effects import access_html
from reconciler.render.html.graph import draw
from reconciler.render.html.rows import RowHead, drift_rows, plan_rows, words_of
from reconciler.render.html.text import embedded, plain, shown, visible_row
from reconciler.render.html.words import ACTIONS, risk_word
from reconciler.render.left_out import left_out_lines, no_changes, no_drift
from reconciler.render.plan_json import PlanJson

_OPEN_GRAPH = 420
"""A drawing that is no higher than this many pixels is open from the start."""
_LISTED = 500
"""How many changes a page names where scripts are switched off."""

_NEW = {"missing": "new and empty", "empty": "new and empty"}


def plan_html(document: PlanJson, mapper: Map = map) -> Iterator[str]:
    """Return the page in pieces; ``document`` is what ``plan.lazy.document_of`` makes; a change's ``risks`` may be missing."""
    return _page("Plan", document, [*_plan_head(document)], plan_rows(document), mapper)


def drift_html(document: PlanJson, mapper: Map = map) -> Iterator[str]:
    """Return the page in pieces.

    ``document`` is what ``render.drift_text.drift_json`` makes, with a plan's document as ``pending`` or without.
    """
    return _page("Drift", document, [*_drift_head(document)], drift_rows(document), mapper)


def _page(what: str, document: PlanJson, head: list[str], rows: list[RowHead], mapper: Map) -> Iterator[str]:
    folder = files("reconciler.render.html")
    style = folder.joinpath("style.css").read_text(encoding="utf-8").strip()
    script = folder.joinpath("script.js").read_text(encoding="utf-8").strip()
    yield from (f"{line}\n" for line in _shown(what, document, head, rows, style, script))
    yield '<script type="application/json" id="data">'
    yield from _data(rows, mapper)
    yield f"</script>\n<script>{script}</script>\n</body>\n</html>"


def _shown(
    what: str, document: PlanJson, head: list[str], rows: list[RowHead], style: str, script: str
) -> Iterator[str]:
    """Everything that can be seen without scripts."""
    name = document["project"] + (f" · {document['environment']}" if document["environment"] else "")
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">\n<meta name="color-scheme" content="light dark">'
    yield f"<title>{plain(what)} · {plain(name)}</title>"
    yield f"<style>{style}</style>\n</head>\n<body>"
    yield '<a class="skip" href="#changes">Skip to the changes</a>'
    yield "<main>"
    yield from head
    yield from _graph(rows, {one["address"]: one["refers_to"] for one in document.get("dependants", ())})
    if rows:
        yield _TOOLBAR
        yield '<section id="changes" tabindex="-1" aria-label="Changes"></section>'
        yield from _without_scripts(rows)
    yield "</main>"
    yield _FOOTER


def _data(rows: list[RowHead], mapper: Map) -> Iterator[str]:
    """Yield the rows and their words as JSON, a few hundred rows at a time."""

    def work(batch: Sequence[RowHead]) -> str:
        return ",".join(embedded(visible_row(head.whole())) for head in batch)

    yield embedded({**visible_row(words_of(rows)), "rows": []}).removesuffix("]}")
    lead = ""
    for text in in_batches(work, rows, mapper):
        yield lead + text
        lead = ","
    yield "]}"


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, nothing is sent, only these very bytes run, and no text becomes markup."""
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _plan_head(document: PlanJson) -> Iterator[str]:
    facts = [("Database", document["database"] + _in_brackets(_NEW.get(document["database_state"], "")))]
    facts.append(("Generation", str(document["generation"])))
    revision = document["revision"]
    if revision:
        facts.append(("Commit", revision["commit"][:12] + _in_brackets("tree is dirty" if revision["dirty"] else "")))
    if document["partial"]:
        facts.append(("Scope", "a selection of the project"))
    facts.append(("Plan", document["digest"][:12]))
    facts.append(("Made by", f"reconciler {document['tool_version']}"))
    operation = document["operation"]
    yield from _headline("Plan" if operation == "apply" else f"Plan: {operation}", document, facts)
    summary = document["summary"]
    if document["resource_changes"]:
        counts = [("add", "to add"), ("change", "to change"), ("destroy", "to destroy")]
        more = [("move", "to move"), ("adopt", "to adopt"), ("forget", "to forget"), ("unchanged", "unchanged")]
        yield '<ul class="counts">'
        yield from (_count(summary[key], word, f"to-{key}") for key, word in counts)
        yield from (_count(summary[key], word, "more") for key, word in more if summary[key])
        yield "</ul>"
    else:
        yield f'<p class="calm">{shown(no_changes(document, str))}</p>'
    yield from _left_out(document)
    yield from _refusals(document["blockers"])
    yield from access_html(document)
    if document["notes"]:
        yield '<aside class="notes"><h2>Notes</h2><ul>'
        yield from (f"<li>{shown(note)}</li>" for note in document["notes"])
        yield "</ul></aside>"


def _drift_head(document: PlanJson) -> Iterator[str]:
    yield from _headline("Drift", document, [("Generation", str(document["generation"]))])
    if not document["findings"]:
        yield '<p class="calm">' + shown(no_drift(document, str)) + "</p>"
        yield from _left_out(document)
        return
    colours = {"created": "to-add", "changed": "to-change", "deleted": "to-destroy"}
    yield '<ul class="counts">'
    for finding, colour in colours.items():
        count = sum(found["finding"] == finding for found in document["findings"])
        yield _count(count, f"{finding} outside", colour)
    if forged := sum(found["finding"] == "forged" for found in document["findings"]):
        yield _count(forged, "forged", "to-destroy")
    yield f"{_count(document['clean'], 'as applied', 'more')}</ul>"
    yield from _left_out(document)


def _left_out(document: PlanJson) -> Iterator[str]:
    yield from (f'<p class="left-out">{shown(line)}</p>' for line in left_out_lines(document, str))


def _headline(eyebrow: str, document: PlanJson, facts: list[tuple[str, str]]) -> Iterator[str]:
    environment = document["environment"]
    pill = f' <span class="pill">{shown(environment)}</span>' if environment else ""
    yield f'<header><div><p class="eyebrow">{shown(eyebrow)}</p><h1>{shown(document["project"])}{pill}</h1></div>'
    yield '<button type="button" id="theme" hidden>Dark</button></header>\n<dl class="facts">'
    yield from (f"<div><dt>{shown(term)}</dt><dd>{shown(told)}</dd></div>" for term, told in facts)
    yield "</dl>"


def _count(count: int, word: str, colour: str) -> str:
    return f'<li class="{colour}{"" if count else " none"}"><b>{count}</b> {word}</li>'


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def _refusals(blockers: list[PlanJson]) -> Iterator[str]:
    if not blockers:
        return
    yield '<aside class="refused" role="note"><h2>An apply of this plan would be refused</h2><ul>'
    for blocker in blockers:
        address = f'<code class="where">{shown(blocker["address"])}</code>' if _adds(blocker) else ""
        hint = f'<span class="hint">Next: {shown(blocker["hint"])}</span>' if blocker["hint"] else ""
        yield f"<li>{shown(blocker['message'])} {address}{hint}</li>"
    yield "</ul></aside>"


def _adds(blocker: PlanJson) -> bool:
    return bool(blocker["address"]) and blocker["address"] not in blocker["message"]


def _graph(rows: list[RowHead], dependants: dict[str, list[str]]) -> Iterator[str]:
    graph = draw([head for head in rows if head.body is not None], dependants)
    if not graph.nodes:
        return
    left_out = f", {graph.left_out} left out" if graph.left_out else ""
    is_open = " open" if graph.height <= _OPEN_GRAPH else ""
    yield f'<details class="graph"{is_open}><summary>Dependencies <span class="muted">{graph.nodes} resources{left_out}'
    yield "</span></summary>"
    yield (
        '<p class="muted">What stands left is needed by what stands right. A dashed frame: it does not change; a '
        "change refers to it, or it depends on one.</p>"
    )
    yield f'<div class="canvas" tabindex="0" role="region" aria-label="Drawing of dependencies">{graph.svg}</div></details>'


def _without_scripts(rows: list[RowHead]) -> Iterator[str]:
    yield "<noscript><p>Diffs and filters need scripts, which are off here. What changes:</p><ul>"
    for head in rows[:_LISTED]:
        risks = _in_brackets(", ".join(risk_word(risk) for risk in head.risks))
        said = ACTIONS.get(head.action, ("", head.action))[1]
        many = _in_brackets(f"the same in {len(head.same)} tenants" if head.same else "")
        yield f"<li><code>{shown(head.address)}</code> {shown(said)}{shown(risks)}{many}</li>"
    if len(rows) > _LISTED:
        yield f"<li>and {len(rows) - _LISTED} more</li>"
    yield "</ul></noscript>"


_TOOLBAR = """<form id="filters" role="search" hidden>
<input type="search" id="q" placeholder="Filter by any text" aria-label="Filter by any text" autocomplete="off" spellcheck="false">
<select id="tenant" aria-label="Tenant"></select>
<select id="kind" aria-label="Kind"></select>
<select id="action" aria-label="Action"></select>
<select id="risk" aria-label="Risk"></select>
<select id="cause" aria-label="Whose doing"></select>
<button type="button" id="unfold">Expand all</button>
<output id="found" aria-live="polite"></output>
</form>"""

_FOOTER = """<footer><p class="keys"><kbd>/</kbd> filter <kbd>j</kbd> <kbd>k</kbd> next, previous <kbd>Enter</kbd> open
<kbd>e</kbd> expand all <kbd>Esc</kbd> clear</p>
<p>This file loads nothing and sends nothing.</p></footer>"""

"""One kind turned into its page: variants with an example each, fields, references, what a change does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.kinds.facts import healing_fields
from reconciler.model.kind import Kind
from reconciler.render.reference.dangers import declared_risks
from reconciler.render.reference.examples import example
from reconciler.render.reference.fields import Notes, Path, field_list
from reconciler.render.reference.forms import sentence
from reconciler.render.reference.prose import anchor, bullet, paragraph
from reconciler.render.schema_walk import Schema, plain, variants_of
from reconciler.render.schemas import schemas


def kind_page(kind: Kind) -> Iterator[str]:
    """Render the reference's page of a kind."""
    whole = schemas()[kind.name]
    yield f"# {kind.name}"
    yield ""
    yield from paragraph(sentence(kind.summary))
    yield from paragraph(
        f"Written under `{kind.plural}:`, by name; the address is `tenant/{kind.name}/name`. What applies to more than "
        "one field is checked too, and told by `reconciler validate`. Types that are links are explained in "
        "[values](values.md), risks in [risks](risks.md)."
    )
    if kind.discriminator is None:
        yield from _health(kind)
    if kind.discriminator is None:
        yield from _example(kind, "")
        yield "## Fields"
        yield ""
        yield from field_list(whole, whole, _notes(kind, ""))
        return
    yield from _variants(kind, whole)


def _variants(kind: Kind, whole: Schema) -> Iterator[str]:
    tag = kind.discriminator or ""
    variants = {name: plain(node, whole) for name, node in variants_of(whole).items()}
    replaced = f" Another `{tag}` is a *replace*: the old resource is deleted, the new one has another uid."
    yield from paragraph(f"`{tag}` decides which fields there are.{replaced if tag in kind.identity else ''}")
    for name, node in variants.items():
        heading = f"{tag}: {name}"
        yield from bullet(f"[`{name}`](#{anchor(heading)}): {sentence(node['description'])}")
    yield ""
    others = [name for name in kind.identity if name != tag]
    if others:
        yield from paragraph(f"Another value of {_listed(others)} is a *replace* too.")
    yield from _health(kind)
    shared = _shared(kind, variants)
    yield f"## Fields of every {kind.name}"
    yield ""
    tag_of_first, first = next(iter(variants.items()))
    common = {**first, "properties": {key: first["properties"][key] for key in first["properties"] if key in shared}}
    yield from field_list(common, whole, _notes(kind, tag_of_first))
    for name, node in variants.items():
        yield ""
        yield f"## `{tag}: {name}`"
        yield ""
        yield from paragraph(sentence(node["description"]))
        yield from _example(kind, name)
        yield from field_list(node, whole, _notes(kind, name), leave_out=frozenset({*shared, tag}))


def _example(kind: Kind, variant: str) -> Iterator[str]:
    yield "```yaml"
    yield from example(kind, variant)
    yield "```"
    yield ""


def _shared(kind: Kind, variants: Mapping[str, Schema]) -> frozenset[str]:
    """Return the fields that all variants have, and which mean and risk the same in all of them."""

    def facts(name: str, key: str) -> tuple[Any, ...]:
        node, risks = variants[name], declared_risks(kind.variants[name])
        below = {path: names for path, names in risks.items() if path[0] == key}
        return node["properties"].get(key), key in node.get("required", ()), below

    first, *others = variants
    return frozenset(
        key for key in variants[first]["properties"] if all(facts(other, key) == facts(first, key) for other in others)
    )


def _notes(kind: Kind, variant: str) -> Notes:
    return Notes(dict(_references(kind)), declared_risks(kind.variants[variant]))


def _references(kind: Kind) -> Iterator[tuple[Path, str]]:
    for ref in kind.references:
        other = [f"a [{ref.kind}]({ref.kind}.md)" if ref.kind else "another resource, as kind/name"]
        other += [f"`{word}`" for word in sorted(ref.literals)]
        yield ref.path, f"Names {', or is '.join(other)}."


def _health(kind: Kind) -> Iterator[str]:
    if fields := healing_fields(kind):
        yield from paragraph(f"A change of {_listed(fields)} clears the status `error`.")


def _listed(names: Iterable[str]) -> str:
    told = [f"`{name}`" for name in names]
    return " or ".join(filter(None, [", ".join(told[:-1]), told[-1]]))

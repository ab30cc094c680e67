"""What ``export`` writes is canonical and loads again, and the next plan of it is empty."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given

from reconciler.errors import Problems
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.layout.format import formatted
from reconciler.load.load import load
from reconciler.load.project import without_file
from reconciler.load.source import parse_source
from reconciler.model.address import Address
from reconciler.model.body import canonical
from reconciler.model.characters import is_hidden
from reconciler.model.spec import Spec
from reconciler.planner.against import live_of_export
from reconciler.planner.make import Setting, make_plan
from reconciler.render.manifest import authored, manifest
from tests.properties.strategies import TODAY, Desired, examples, loaded, states, write


@examples(1000)
@given(desired=states())
def test_states_load_again(tmp_path_factory, desired: Desired) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("export")
    write(folder, desired, None)
    configuration = loaded(folder)
    resources = {str(a): r.body for a, r in configuration.resources.items()}
    if not resources:
        return
    project = configuration.project
    live = live_of_export(
        {"format_version": "1.0", "project": project, "environment": None, "resources": resources}, project
    )
    documents = []
    for tenant in sorted({address.tenant for address in configuration.resources}):
        specs = {}
        for address, row in live.rows.items():
            if address.tenant == tenant:
                spec = parse(KINDS[address.kind], row.raw, address)
                assert isinstance(spec, Spec)
                specs[address] = authored(spec)
        documents.append("\n".join(manifest(tenant, specs, {})))
    out = folder / "exported"
    out.mkdir()
    text = "\n---\n".join(documents) + "\n"
    (out / "all.yaml").write_text(text, encoding="utf-8")
    assert formatted(parse_source("all.yaml", text.encode(), Problems())) == text.encode()
    again = load(without_file(out), None, [str(out)], project).configuration
    plan = make_plan(again, live, Setting("x", TODAY, "1"))
    assert plan.changes == (), (out / "all.yaml").read_text()
    assert {str(a): canonical(r.body) for a, r in again.resources.items()} == {
        a: canonical(b) for a, b in resources.items()
    }


UNSEEN = "\ufeff\u200b\u200d\u202e\u2066\u00ad\u00a0\u2028\u061c\u3164\x85\U000e0041\U0001d159"


@pytest.mark.parametrize("text", [*UNSEEN, f"a{UNSEEN}b", f"two\nlines {UNSEEN}\n"], ids=ascii)
def test_what_can_not_be_seen_is_escaped_and_loads_again(text: str) -> None:
    """In keys and values, also of block scalars: a person sees what programs read."""
    lines = manifest(
        "acme", {Address("acme", "integration", "a"): {"description": text, "labels": {f"k{text}": text}}}, {}
    )
    written = "\n".join(lines)
    assert not any(is_hidden(character) for character in written.replace("\n", ""))
    found = yaml.safe_load(written)["integrations"]["a"]
    assert found == {"description": text, "labels": {f"k{text}": text}}

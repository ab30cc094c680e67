"""Run docs/life-of-a-field.md, to compare it or (``python -m tests.docs.life``) to write its blocks anew."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from reconciler.cli.opening import open_project
from reconciler.kinds.accept import NormalForm, normal_form, written
from reconciler.kinds.meaning import normal
from reconciler.kinds.table import KINDS
from reconciler.load.chunks import chunks
from reconciler.load.documents import read_documents
from reconciler.load.frame import Frame
from reconciler.load.load import load
from reconciler.load.validate import extract
from reconciler.model.address import Address
from reconciler.plan.file import read_plan
from reconciler.secrets.policy import Policy
from reconciler.store.reading import read_resource
from reconciler.store.url import parse_database

PAGE = Path(__file__).resolve().parents[2] / "docs" / "life-of-a-field.md"
FILE = "crm.yaml"
FIELD = "rate_limit"
BEFORE = """\
version: 1
tenant: acme
connectors:
  crm:
    type: http
    base_url: https://crm.example.com
"""
AFTER = f"{BEFORE}    {FIELD}: 90\n"
ADDRESS = Address("acme", "connector", "crm")
_PLACE = re.compile(r"<!-- (\w+) -->\n```(\w+)\n.*?```", re.DOTALL)


def forms() -> Mapping[str, str]:
    """Take the field from its file into the database and back; return each form it had on its way, in order."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / FILE).write_text(BEFORE)
        _run(folder, "apply", "--auto-approve", "--quiet")
        (folder / FILE).write_text(AFTER)
        shown = _run(folder, "plan", "--out", "crm.plan")
        found = {**_loaded(folder), **_planned(folder), "report": _line(shown)}
        _run(folder, "apply", "crm.plan", "--auto-approve", "--quiet")
        return {**found, **_stored(folder)}


def _loaded(folder: Path) -> dict[str, str]:
    data = (folder / FILE).read_bytes()
    documents, _ = read_documents(data, FILE)
    raw = documents[0].value["connectors"]["crm"]
    form = normal_form(KINDS["connector"], raw, ADDRESS)
    assert isinstance(form, NormalForm)
    project, _ = open_project(None, [str(folder)])
    made = extract(next(chunks(FILE, data)), Frame(project, {}, Policy()))
    assert made is not None
    resource = load(project, None, [str(folder / FILE)]).configuration.resources[ADDRESS]
    assert (resource.text, resource.digest) == (form.text, made.digests[0])
    return {
        "yaml": _line(data.decode()),
        "value": repr({FIELD: raw[FIELD]}),
        "text": str(written(raw)),
        "spec": f"{type(form.spec).__name__}({FIELD}={form.spec.rate_limit!r}, …)",  # type: ignore[attr-defined]
        "body": repr({FIELD: form.body[FIELD], "retries": form.body["retries"]}),
        "canonical": f"{form.text}\n{resource.digest}",
        "extract": _around(bytes(made.tail).decode()),
    }


def _planned(folder: Path) -> dict[str, str]:
    plan = read_plan(folder / "crm.plan")
    document = json.loads((folder / "crm.plan").read_text())
    (change,) = plan.changes
    (field,) = change.fields
    at = f"{Path(field.source.file).name}:{field.source.line}" if field.source else "None"
    shown = f"path={field.path!r}, op={field.op!r}, before={field.before!r}, after={field.after!r}, cause={field.cause}"
    return {
        "change": f"FieldChange({shown}, source={at})\nrisks: {', '.join(change.risks)}",
        "planfile": json.dumps(document["resource_changes"][0]["fields"][0], indent=2),
    }


def _stored(folder: Path) -> dict[str, str]:
    with closing(sqlite3.connect(folder / ".reconciler" / "state.db")) as connection:
        (spec,) = connection.execute("SELECT spec FROM resources").fetchone()
    found = read_resource(parse_database("sqlite:///.reconciler/state.db", folder), ADDRESS)
    assert found is not None
    row = normal(found[0])
    return {"row": spec, "back": f"{ {FIELD: row.body[FIELD]}!r}\n{row.digest}"}


def _run(folder: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RECONCILER_")} | {"NO_COLOR": "1"}
    command = [sys.executable, "-m", "reconciler", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 2}, done.stderr
    return done.stdout


def _line(text: str) -> str:
    return next(line for line in text.splitlines() if FIELD in line)


def _around(text: str) -> str:
    """Return the begin of a JSON text, and the field's part of it."""
    at = text.index(FIELD)
    return f"{text[:12]}…{text[at - 2 : text.index(',', at) + 1]}…"


def fresh() -> str:
    """Return the page with every block as the program makes it now."""
    found = forms()
    text = PAGE.read_text()
    assert [name for name, _ in _PLACE.findall(text)] == [*found], "a block for each form, in their order"
    return _PLACE.sub(lambda m: f"<!-- {m[1]} -->\n```{m[2]}\n{found[m[1]]}\n```", text)


if __name__ == "__main__":
    if "--print" in sys.argv:
        for name, form in forms().items():
            print(f"<!-- {name} -->\n{form}\n")
    else:
        PAGE.write_text(fresh())

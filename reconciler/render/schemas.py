"""The JSON Schemas that editors use: manifests and overlays, the project's file, files of rules, plans, and the body of each kind.

Everything comes from the models and the table of kinds, so a new kind or field is here without a line of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from reconciler.kinds.access_test import Tests
from reconciler.kinds.table import KINDS
from reconciler.lint.rule import RuleFile
from reconciler.load.collect import OWN_KEYS
from reconciler.load.project_file import ProjectFile
from reconciler.load.serve_file import ServeFile
from reconciler.model.address import BARE_NAME
from reconciler.model.fields import Form, Name
from reconciler.model.kind import Kind
from reconciler.plan.document import PlanDocument, ResourceChangeDocument
from reconciler.render.schema_facts import forms_in
from reconciler.render.schema_parts import Parts
from reconciler.render.schema_values import (
    BASE,
    DEFAULTS,
    MIXED_TEXT,
    NULL,
    OVERLAY,
    PLAIN,
    TENANT_TEXT,
    Mode,
    Schema,
    alternatives,
)

SUFFIX = ".schema.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MANIFEST = (
    "Desired state: the resources of one or more tenants, as maps by name. null in a field takes away what the project's "
    "`defaults` say. Files in an environment's overlay folder are partial: they use overlay.schema.json."
)
_OVERLAY = (
    "A partial manifest that is merged over the base: maps merge by key, lists replace, null removes a field, an entry of "
    "a map or a whole resource, another type replaces the whole body. Nothing is required here but `version`."
)
_ADDRESS: Schema = {"$ref": "#/$defs/address"}


def schemas(kinds: Mapping[str, Kind] = KINDS) -> dict[str, Schema]:
    """Every schema by its name: manifest, overlay, project, rules, serve, plan, and the kinds."""
    return {
        "manifest": _manifest("manifest", _MANIFEST, kinds, BASE),
        "overlay": _manifest("overlay", _OVERLAY, kinds, OVERLAY),
        "project": _project(kinds),
        "rules": _rules(),
        "serve": _serve(),
        "plan": _plan(),
        **{name: _kind(kind) for name, kind in kinds.items()},
    }


def forms(kinds: Mapping[str, Kind] = KINDS) -> dict[str, Form]:
    """Return the forms of texts that any of these schemas may name, by name and in order."""
    variants = [model for kind in kinds.values() for model in kind.variants.values()]
    found = forms_in([*variants, ProjectFile, RuleFile, ServeFile, Tests])
    return dict(sorted({form.name: form for form in found}.items()))


def schema_text(schema: Schema) -> str:
    """Return the bytes of the file, as text."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _document(name: str, description: str, body: Schema, parts: Parts) -> Schema:
    rest = {key: value for key, value in body.items() if key not in {"title", "description"}}
    definitions = {"$defs": parts.defs} if parts.defs else {}
    head = {"$schema": _DIALECT, "$id": name + SUFFIX, "title": f"reconciler {name}", "description": description}
    return head | rest | definitions


def _kind(kind: Kind) -> Schema:
    parts = Parts()
    parts.kind(kind, BASE)
    return _document(kind.name, f"The body of one {kind.name}. {kind.summary}", parts.defs.pop(kind.name), parts)


def _plan() -> Schema:
    whole = msgspec.json.schema(PlanDocument[ResourceChangeDocument])
    parts = Parts()
    parts.defs = whole["$defs"]
    body = parts.defs.pop(whole["$ref"].rpartition("/")[2])
    return _document("plan", body["description"], body, parts)


def _rules() -> Schema:
    parts = Parts()
    body = parts.part(RuleFile, PLAIN)
    return _document("rules", body["description"], body, parts)


def _serve() -> Schema:
    parts = Parts()
    body = parts.part(ServeFile, PLAIN)
    return _document("serve", body["description"], body, parts)


def _project(kinds: Mapping[str, Kind]) -> Schema:
    parts = Parts()
    body = parts.part(ProjectFile, PLAIN)
    sections: dict[str, Schema] = {}
    for kind in kinds.values():
        fields = parts.blend(kind.variants, kind.discriminator or "", DEFAULTS)
        parts.defs[f"defaults_{kind.name}"] = fields | {
            "description": f"Defaults of every {kind.name} with such fields."
        }
        told = f"Fields for every {kind.name} that has them and does not set them."
        sections[kind.plural] = {"description": told, "$ref": f"#/$defs/defaults_{kind.name}"}
    for kind in kinds.values():
        sections[kind.name] = {"description": f"The same as `{kind.plural}`.", **sections[kind.plural]}
    environments = body["properties"]["environments"]  # `dev:` alone is an environment without settings of its own
    environments["additionalProperties"] = alternatives([environments["additionalProperties"], NULL])
    body["properties"]["defaults"] |= {"properties": sections, "additionalProperties": False}
    return _document("project", "Settings of a project: reconciler.yaml, beside or above its manifests.", body, parts)


def _manifest(name: str, description: str, kinds: Mapping[str, Kind], mode: Mode) -> Schema:
    parts = Parts()
    variable = parts.variable()
    bare_name = parts.position(Name, (), PLAIN, nullable=False)
    parts.defs["address"] = {
        "title": "address",
        "type": "string",
        "pattern": f"^(?:{BARE_NAME}/)?(?:{'|'.join(kinds)})/{BARE_NAME}$",
        "patternErrorMessage": "expected kind/name, e.g. integration/openai-prod",
    }
    resources = {}
    for kind in kinds.values():
        options = [parts.kind(kind, mode), variable]
        resources[kind.plural] = {
            "description": f"{kind.plural.capitalize()} by name. {kind.summary}",
            "type": ["object", "null"],
            "propertyNames": bare_name,
            "additionalProperties": alternatives(options if mode.whole else [*options, NULL]),
        }
    text = parts.variable(TENANT_TEXT)
    tenant = alternatives([bare_name, text])
    body = {
        "type": "object",
        "required": ["version"],
        "properties": {
            "version": {"description": "Version of this format: 1.", "const": 1},
            "tenant": {
                "description": "The tenant of this document's resources. Without it, the project's `default_tenant`.",
                **tenant,
            },
            "tenants": {
                "description": "Writes this document once for each of these tenants; ${tenant} names each. Not beside `tenant`.",
                **alternatives([{"type": "array", "minItems": 1, "uniqueItems": True, "items": tenant}, variable]),
            },
            **resources,
            **_lists(parts, bare_name),
            **parts.part(Tests, PLAIN)["properties"],
        },
        "patternProperties": {f"^{OWN_KEYS}": {"description": "For anchors that are used elsewhere in this document."}},
        "if": {"required": ["tenants"]},
        "then": {"properties": {"tenant": False}},
        "additionalProperties": False,
    }
    return _document(name, description, body, parts)


def _lists(parts: Parts, bare_name: Schema) -> dict[str, Schema]:
    """Return the lists beside the resources, in the forms that ``load/entries.py`` reads."""
    variable, text = parts.variable(), parts.variable(TENANT_TEXT)
    mixed = parts.variable(MIXED_TEXT)
    address = alternatives([_ADDRESS, mixed])
    flag = alternatives([{"type": "boolean"}, variable])
    project = alternatives([bare_name, text, NULL])

    def entries(description: str, *options: Schema) -> Schema:
        return {"description": description, "type": ["array", "null"], "items": alternatives([*options, mixed])}

    def entry(required: list[str], **fields: tuple[str, Schema]) -> Schema:
        properties = {name.rstrip("_"): {"description": text, **schema} for name, (text, schema) in fields.items()}
        return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}

    return {
        "moved": entries(
            "Resources that got another name: they keep their uid and status. No effect once `from` is gone.",
            entry(
                ["from", "to"],
                from_=("The old name, as kind/name.", address),
                to=("The new name, as kind/name: declared in the manifests, and of the same kind.", address),
            ),
        ),
        "removed": entries(
            "Resources that this project lets go of.",
            entry(
                ["from"],
                from_=("The resource, as kind/name. It is no longer declared.", address),
                destroy=(
                    "Whether it is deleted as well. By default it stays, and nobody owns it.",
                    {**flag, "default": False},
                ),
            ),
        ),
        "adopt": entries(
            "Resources that this project takes over as they are. They are declared in the manifests.",
            _ADDRESS,
            entry(
                ["address"],
                address=("The resource, as kind/name.", address),
                from_project=("The project that owns it now. Without it, nobody may own it.", project),
            ),
        ),
        "external": entries(
            "Resources of other projects that may be referred to.",
            _ADDRESS,
            entry(
                ["address"],
                address=("The resource, as kind/name.", address),
                project=("The project that declares it; for readers.", project),
                optional=("Whether nothing here has to refer to it.", {**flag, "default": False}),
            ),
        ),
    }

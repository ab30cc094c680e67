"""Documents, tenants, names, references, entries beside the resources, and the files themselves."""

from __future__ import annotations

import os

from tests.load.bad.case import CANARY, CONNECTOR, GOOD, HEAD, LIMIT, SALES, Case, limit, one, raw

DOCUMENTS: dict[str, Case] = {
    "an empty file": raw("", "no-manifest ."),
    "comments only": raw(f"# {CANARY}\n\n# x\n", "no-manifest ."),
    "a file of empty documents": raw("---\n---\n~\n", "no-manifest ."),
    "an empty file by its name": raw("", "no-manifest a.yaml", arguments=("a.yaml",)),
    "a folder without manifests": Case({"README.md": "x"}, also=("no-manifest .",)),
    "a folder of empty files": Case({"a.yaml": "# x\n", "b.yml": ""}, also=("no-manifest .",)),
    "one folder of two holds nothing": Case({"a/a.yaml": GOOD, "b/b.yaml": "# x"}, ("a", "b"), ("no-manifest b",)),
    "a missing path": Case({"a.yaml": GOOD}, ("b.yaml",), ("no-such-path b.yaml",), says="did you mean `a.yaml`?"),
    "a list at the top": raw(f"⟦wrong-type⟧- {CANARY}\n"),
    "a text at the top": raw(f"⟦wrong-type⟧{CANARY}\n"),
    "a number at the top": raw("⟦wrong-type⟧42\n"),
    "no version": raw(f"⟦missing-field⟧tenant: acme\n{LIMIT}", says="add `version: 1`"),
    "another version": raw(f"version: ⟦unknown-version⟧2\ntenant: acme\n{LIMIT}"),
    "the version as text": raw(f"version: ⟦unknown-version⟧'1'\ntenant: acme\n{LIMIT}"),
    "the version as a boolean": raw(f"version: ⟦unknown-version⟧true\ntenant: acme\n{LIMIT}"),
    "no tenant": raw(f"⟦missing-tenant⟧version: 1\n{LIMIT}", says="default_tenant"),
    "tenant and tenants": raw(f"{HEAD}⟦conflicting-fields⟧tenants: [a, b]\n{LIMIT}"),
    "no tenants": raw(f"version: 1\ntenants: ⟦wrong-type⟧[]\n{LIMIT}"),
    "tenants that are a text": raw(f"version: 1\ntenants: ⟦wrong-type⟧a\n{LIMIT}"),
    "a tenant in upper case": raw(f"version: 1\ntenant: ⟦invalid-name⟧Acme\n{LIMIT}", says="write `acme`"),
    "a tenant that is a number": raw(f"version: 1\ntenant: ⟦invalid-name⟧7\n{LIMIT}", says="put it in quotes"),
    "a tenant that is nothing": raw(f"version: 1\ntenant:⟦invalid-name⟧\n{LIMIT}"),
    "a tenant that is a map": raw(f"version: 1\ntenant: ⟦invalid-name⟧{{a: b}}\n{LIMIT}"),
    "the tenants' own names": raw(f"version: 1\ntenants: [a, ⟦invalid-name⟧b_c, ⟦duplicate-item⟧a, ⟦invalid-name⟧-]\n{LIMIT}"),
    "an unknown key": one(f"{LIMIT}⟦unknown-field⟧integration: {{api_key: {CANARY}}}\n", says="did you mean `integrations`?"),
    "an unknown key in one line with others": raw(f"{{version: 1, tenant: acme, ⟦unknown-field⟧api_key: {CANARY}}}\n"),
    "a key that attacks the terminal": one(f'{LIMIT}⟦unknown-field⟧"\\e[31m\\nError: x": {CANARY}\n'),
    "kinds as a list": one(f"limits:\n  ⟦wrong-type⟧- name: {CANARY}\n"),
    "kinds as a text": one(f"limits: ⟦wrong-type⟧{CANARY}\n"),
    "a resource that is nothing": one("limits:\n  l:⟦wrong-type⟧\n"),
    "a resource that is a text": one(f"integrations:\n  l: ⟦wrong-type⟧{CANARY}\n"),
    "a resource that is a list": one(f"integrations:\n  l: ⟦wrong-type⟧[{CANARY}]\n"),
}  # fmt: skip

NAMES: dict[str, Case] = {
    "upper case": one("limits:\n  ⟦invalid-name⟧Month: {target: tenant, per: day, requests: 1}\n"),
    "too long": one(f"limits:\n  ⟦invalid-name⟧{'x' * 64}: {{target: tenant, per: day, requests: 1}}\n"),
    "a leading hyphen": one("limits:\n  ⟦invalid-name⟧-a: {target: tenant, per: day, requests: 1}\n"),
    "an umlaut": one("limits:\n  ⟦invalid-name⟧größe: {target: tenant, per: day, requests: 1}\n"),
    "another alphabet": one("limits:\n  ⟦invalid-name⟧а: {target: tenant, per: day, requests: 1}\n"),
    "an underscore": one("limits:\n  ⟦invalid-name⟧a_b: {target: tenant, per: day, requests: 1}\n", says="write `a-b`"),
    "nothing": one("limits:\n  ⟦invalid-name⟧'': {target: tenant, per: day, requests: 1}\n"),
    "a line end": one('limits:\n  ⟦invalid-name⟧"a\\n": {target: tenant, per: day, requests: 1}\n'),
    "a variable": one("limits:\n  ⟦invalid-name⟧${tenant}: {target: tenant, per: day, requests: 1}\n"),
    "twice in two documents": raw(f"{GOOD}---\n{HEAD}limits:\n  ⟦duplicate-address⟧month: {{target: tenant, per: day, requests: 1}}\n", says="declared first: a.yaml:4:3"),
    "twice in two files": Case(
        {"a.yaml": GOOD, "b/c.yaml": f"{HEAD}integrations: {{}}\nlimits: {{⟦duplicate-address⟧month: {{target: tenant, per: day, requests: 1}}}}\n"},
        says="declared first: a.yaml:4:3",
    ),
    "twice, with a secret beside": raw(
        f"{GOOD}integrations: {{a: {{provider: openai, credential: ⟦plaintext-secret⟧{CANARY}}}}}\n---\n"
        f"{HEAD}integrations: {{⟦duplicate-address⟧a: {{provider: openai, credential: {CANARY}}}}}\n"
    ),
    "twice by a list of tenants": raw(f"version: 1\ntenants: [acme, globex]\n{LIMIT}---\nversion: 1\ntenant: globex\nlimits: {{⟦duplicate-address⟧month: {{target: tenant, per: day, requests: 1}}}}\n"),
}  # fmt: skip

REFERENCES: dict[str, Case] = {
    "to nothing": one("datasources:\n  d: {type: database, connector: ⟦dangling-reference⟧db, tables: [x]}\n", says="acme/datasource/d refers to acme/connector/db"),
    "to a near name": one(SALES + "  e: {type: database, connector: ⟦dangling-reference⟧dbb, tables: [x]}\n", says="did you mean `db`?"),
    "to another tenant's": raw(
        f"{HEAD}{SALES}---\nversion: 1\ntenant: globex\ndatasources:\n  d: {{type: database, connector: ⟦dangling-reference⟧db, tables: [x]}}\n", says="the tenant acme has one"
    ),
    "to another kind": one(SALES + "  e: {type: database, connector: ⟦dangling-reference⟧sales, tables: [x]}\n", says="`sales` is of the kind datasource"),
    "by an address": one("datasources:\n  d: {type: database, connector: ⟦invalid-name⟧acme/connector/db, tables: [x]}\n"),
    "to an unknown kind": one("limits:\n  l: {target: ⟦dangling-reference⟧conector/db, per: day, requests: 1}\n", says="did you mean connector/db?"),
    "of a limit to nothing": one("limits:\n  l: {target: ⟦dangling-reference⟧integration/openai, per: day, requests: 1}\n"),
    "of limits to each other": one(
        "limits:\n  a: {target: ⟦invalid-target⟧limit/b, per: day, requests: 1}\n  ⟦reference-circle⟧b: {target: ⟦invalid-target⟧limit/a, per: day, requests: 1}\n",
        says="acme/limit/a -> acme/limit/b -> acme/limit/a",
    ),
}  # fmt: skip

VARIABLES: dict[str, Case] = {
    "an unknown variable": limit("per: day, requests: ⟦unknown-variable⟧'${var.region}'", says="there is no variable 'region'"),
    "an unclosed brace": one("integrations:\n  a: {provider: ollama, base_url: 'http://h', description: ⟦variable-syntax⟧'x ${var.a'}\n"),
    "something else in braces": one("integrations:\n  a: {provider: ollama, base_url: 'http://h', description: ⟦variable-syntax⟧'${HOME}'}\n"),
    "an expression": one("integrations:\n  a: {provider: ollama, base_url: 'http://h', description: ⟦variable-syntax⟧'${var.a + 1}'}\n"),
    "a variable inside of one": one("integrations:\n  a: {provider: ollama, base_url: 'http://h', description: ⟦variable-syntax⟧'${var.${tenant}}'}\n"),
    "in a key": one("integrations:\n  a: {provider: ollama, base_url: 'http://h', labels: {⟦variable-in-key⟧'${tenant}': x}}\n"),
    "in the name of the tenant": raw(f"version: 1\ntenant: ⟦unknown-variable⟧${{var.team}}\n{LIMIT}"),
    "the tenant in its own name": raw(f"version: 1\ntenant: ⟦unknown-variable⟧x-${{tenant}}\n{LIMIT}"),
    "in a credential": one("integrations:\n  a: {provider: openai, credential: ⟦unknown-variable⟧'vault://kv/${var.x}/a#b'}\n"),
}  # fmt: skip

ENTRIES: dict[str, Case] = {
    "moved as a map": one(f"{LIMIT}moved: ⟦wrong-type⟧{{from: limit/a, to: limit/month}}\n"),
    "moved with a text": one(f"{LIMIT}moved: [⟦wrong-type⟧limit/a]\n"),
    "moved without to": one(f"{LIMIT}moved:\n  - ⟦missing-field⟧{{from: limit/a}}\n"),
    "moved without from": one(f"{LIMIT}moved:\n  - ⟦missing-field⟧to: limit/month\n"),
    "moved with another field": one(f"{LIMIT}moved: [{{from: limit/a, to: limit/month, ⟦unknown-field⟧password: {CANARY}}}]\n"),
    "moved with a wrong address": one(f"{LIMIT}moved: [{{from: ⟦invalid-reference⟧a, to: ⟦invalid-reference⟧[limit/month]}}]\n"),
    "moved of an unknown kind": one(f"{LIMIT}moved: [{{from: ⟦unknown-kind⟧limits/a, to: limit/month}}]\n", says="did you mean `limit`?"),
    "moved to another tenant": one(f"{LIMIT}moved: [{{from: limit/a, to: ⟦invalid-reference⟧globex/limit/month}}]\n", says="the document's own tenant"),
    "moved across kinds": one(f"{LIMIT}moved: [{{from: connector/a, to: ⟦invalid-move⟧limit/month}}]\n"),
    "moved to itself": one(f"{LIMIT}moved: [{{from: limit/month, to: ⟦invalid-move⟧limit/month}}]\n"),
    "moved to nothing": one(f"{LIMIT}moved: [{{from: limit/a, to: ⟦move-target-missing⟧limit/b}}]\n"),
    "moved and still there": one(f"{LIMIT}  old: {{target: tenant, per: day, requests: 1}}\nmoved: [{{from: ⟦move-still-declared⟧limit/old, to: limit/month}}]\n"),
    "two moved to one name": one(f"{LIMIT}moved:\n  - {{from: limit/a, to: limit/month}}\n  - ⟦invalid-move⟧{{from: limit/b, to: limit/month}}\n"),
    "one moved to two names": one(f"{LIMIT}  day: {{target: tenant, per: day, requests: 1}}\nmoved:\n  - {{from: limit/a, to: limit/month}}\n  - ⟦invalid-move⟧{{from: limit/a, to: limit/day}}\n"),
    "moved, behind a malformed one": one(f"{LIMIT}moved:\n  - ⟦missing-field⟧{{from: limit/x}}\n  - {{from: limit/a, to: ⟦move-target-missing⟧limit/b}}\n"),
    "removed without from": one(f"{LIMIT}removed: [⟦missing-field⟧{{destroy: true}}]\n"),
    "removed with a text": one(f"{LIMIT}removed: [⟦wrong-type⟧limit/a]\n"),
    "removed and destroy a text": one(f"{LIMIT}removed: [{{from: limit/a, destroy: ⟦wrong-type⟧'yes'}}]\n"),
    "removed and still there": one(f"{LIMIT}removed: [{{from: ⟦removed-still-declared⟧limit/month}}]\n"),
    "removed of an unknown kind": one(f"{LIMIT}removed: [{{from: ⟦unknown-kind⟧limt/month}}]\n"),
    "adopt of what is not there": one(f"{LIMIT}adopt: [⟦adopt-not-declared⟧limit/a]\n"),
    "adopt of a number": one(f"{LIMIT}adopt: [⟦wrong-type⟧5]\n"),
    "adopt without an address": one(f"{LIMIT}adopt: [⟦missing-field⟧{{from_project: other}}]\n"),
    "adopt with a wrong address": one(f"{LIMIT}adopt: [⟦invalid-reference⟧month]\n"),
    "adopt from a wrong project": one(f"{LIMIT}adopt: [{{address: limit/month, from_project: ⟦invalid-name⟧Other One}}]\n"),
    "adopt with another field": one(f"{LIMIT}adopt: [{{address: limit/month, ⟦unknown-field⟧project: {CANARY}}}]\n", says="did you mean `from_project`?"),
    "external without an address": one(f"{LIMIT}external: [⟦missing-field⟧{{project: other}}]\n"),
    "external with a number": one(f"{LIMIT}external: [⟦invalid-reference⟧5]\n"),
    "external with a wrong address": one(f"{LIMIT}external: [{{address: ⟦invalid-reference⟧month}}]\n"),
    "external with another field": one(f"{LIMIT}external: [{{address: connector/x, ⟦unknown-field⟧proj: {CANARY}}}]\n"),
    "an entry in one line with a secret": raw(
        f"{{version: 1, tenant: acme, integrations: {{a: {{provider: custom, base_url: 'http://h', config: {{x: {CANARY}}}}}}}, moved: [⟦missing-field⟧{{from: limit/x}}]}}\n"
    ),
}  # fmt: skip

FILES: dict[str, Case] = {
    "a link to itself": Case({"a.yaml": GOOD}, also=("file-unreadable b.yaml",), prepare=lambda folder: os.symlink("b.yaml", folder / "b.yaml")),
    "a link to nothing": Case({"a.yaml": GOOD}, also=("file-unreadable b.yaml",), prepare=lambda folder: os.symlink("c.yaml", folder / "b.yaml")),
    "a link to the outside": Case({"a.yaml": GOOD}, also=("outside-project b.yaml",), prepare=lambda folder: os.symlink("/etc/passwd", folder / "b.yaml")),
    "a link to a device": Case({"a.yaml": GOOD}, ("b.yaml",), ("file-unreadable b.yaml",), prepare=lambda folder: os.symlink("/dev/zero", folder / "b.yaml")),
    "a pipe that nobody writes": Case({"a.yaml": GOOD}, also=("file-unreadable b.yaml",), prepare=lambda folder: os.mkfifo(folder / "b.yaml")),
    "a pipe by its name": Case({}, ("b.yaml",), ("file-unreadable b.yaml",), prepare=lambda folder: os.mkfifo(folder / "b.yaml")),
    "a folder with the name of a file": Case({"a.yaml/b.yaml": f"{GOOD}⟦unknown-field⟧x: 1\n"}),
    "a file of ten gigabytes": Case({"a.yaml": GOOD}, also=("file-too-large b.yaml",), prepare=lambda folder: os.truncate(os.open(folder / "b.yaml", os.O_CREAT | os.O_WRONLY), 10**10)),
    "a file of zeros": raw(bytes(10**7), "invalid-character a.yaml:1:1"),
    "a name with a line end": Case({"a\nError: b.yaml": f"{GOOD}x: 1\n"}, also=("unknown-field a\\nError: b.yaml:5:1",)),
    "a name that attacks the terminal": Case({"\x1b[31m\u202ea.yaml": f"{GOOD}x: 1\n"}, also=("unknown-field \\x1b[31m\\u202ea.yaml:5:1",)),
    "a name that is no UTF-8": Case({os.fsdecode(b"a\xff.yaml"): f"{GOOD}x: 1\n"}, also=("unknown-field a\\xff.yaml:5:1",)),
    "the extension .yml": Case({"a.yml": f"{GOOD}⟦unknown-field⟧x: 1\n"}),
    "several problems in several files": Case(
        {
            "b.yaml": f"{HEAD}⟦unknown-field⟧x: {CANARY}\nlimits:\n  l: {{target: tenant, per: ⟦invalid-choice⟧week, requests: ⟦wrong-type⟧many}}\n  ⟦missing-field⟧m: {{}}\n",
            "a.yaml": f"⟦missing-tenant⟧version: ⟦unknown-version⟧3\n---\n{HEAD}⟦unknown-field⟧y: {CANARY}\n",
            "c/a.yaml": f"{HEAD}a: ⟦yaml-syntax⟧[{CANARY}\n",
            "c/b.yaml": f"{HEAD}{CONNECTOR}  api: {{type: http, base_url: ⟦url-with-credentials⟧'https://u:{CANARY}@h'}}\n",
        }
    ),
}  # fmt: skip

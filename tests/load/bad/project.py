"""The project's file, what it includes, its overlays and variables, and what the command line says of them."""

from __future__ import annotations

import os
from typing import Any

from tests.load.bad.case import CANARY, CONNECTOR, GOOD, HEAD, LIMIT, SALES, Case, project

PROD = "environments: {prod: {overlays: [prod]}}\n"
OVER = {"a.yaml": HEAD + LIMIT + SALES}


def prod(overlay: str, **more: Any) -> Case:
    """An overlay over a base with a limit, a connector and a datasource."""
    return project(PROD, files={**OVER, "prod/b.yaml": HEAD + overlay}, **more)


def outside(folder: os.PathLike[str]) -> None:
    os.symlink("/etc", os.path.join(folder, "prod"))


SETTINGS: dict[str, Case] = {
    "empty": Case({"reconciler.yaml": "", "a.yaml": GOOD}, (), ("project-file reconciler.yaml:1:1",), says="is empty"),
    "two documents": Case({"reconciler.yaml": "version: 1\n---\nversion: 1\n", "a.yaml": GOOD}, (), ("project-file reconciler.yaml:1:1",), says="several documents"),
    "a list": Case({"reconciler.yaml": f"⟦wrong-type⟧- {CANARY}\n", "a.yaml": GOOD}, ()),
    "syntax": Case({"reconciler.yaml": f"a: ⟦yaml-syntax⟧[{CANARY}", "a.yaml": GOOD}, ()),
    "no version": Case({"reconciler.yaml": "⟦missing-field⟧project: x\n", "a.yaml": GOOD}, ()),
    "another version": Case({"reconciler.yaml": "version: ⟦invalid-choice⟧2\n", "a.yaml": GOOD}, ()),
    "a duplicate key": project("project: a\n⟦duplicate-key⟧project: b\n"),
    "an unknown key": project(f"⟦unknown-field⟧enviroments: {{prod: {{password: {CANARY}}}}}\n", says="did you mean `environments`?"),
    "an unknown key of an environment": project(f"environments: {{prod: {{⟦unknown-field⟧overlay: {CANARY}}}}}\n", says="did you mean `overlays`?"),
    "the name of the project": project("project: ⟦invalid-name⟧My Shop\n"),
    "the name of an environment": project("environments:\n  ⟦invalid-name⟧Prod: {}\n"),
    "environments as a list": project("environments: ⟦wrong-type⟧[prod]\n"),
    "an environment that is a text": project(f"environments: {{prod: ⟦wrong-type⟧{CANARY}}}\n"),
    "default_tenant": project("default_tenant: ⟦invalid-name⟧Acme\n"),
    "variables as a list": project(f"variables: ⟦wrong-type⟧[{CANARY}]\n"),
    "the name of a variable": project(f"variables: {{⟦invalid-format⟧1a: {CANARY}}}\n"),
    "a secret variable": project(f"variables: {{password: ⟦plaintext-secret⟧{CANARY}}}\n"),
    "a secret variable, deep": project(f"variables: {{db: {{a: [{{password: ⟦plaintext-secret⟧{CANARY}}}]}}}}\n"),
    "a secret variable of an environment": project(f"environments: {{prod: {{variables: {{api_key: ⟦plaintext-secret⟧{CANARY}}}}}}}\n"),
    "a variable with a password": project(f"variables: {{url: ⟦url-with-credentials⟧'https://u:{CANARY}@h'}}\n"),
    "a variable that names another": project("variables: {a: b, c: ⟦variable-syntax⟧'${var.a}'}\n"),
    "a variable that names another, deep": project("variables: {c: ⟦variable-syntax⟧[x, '${var.a}']}\n"),
    "a variable beside a mistake": project(f"environments: {{prod: {{variables: {{x: {CANARY}}}, overlays: ⟦wrong-type⟧5}}}}\n"),
    "a variable in the database": project("database: ⟦no-variables⟧'sqlite:///${var.x}.db'\n"),
    "a variable in the database of an environment": project(f"environments: {{prod: {{database: ⟦no-variables⟧'postgresql://h/${{var.x}}{CANARY}'}}}}\n"),
    "a password in the database": project(f"database: ⟦url-with-credentials⟧postgresql://u:{CANARY}@h/d\n"),
    "a password with a slash": project(f"database: ⟦url-with-credentials⟧postgresql://u:a/{CANARY}@h/d\n"),
    "a password with an at sign": project(f"database: ⟦url-with-credentials⟧postgresql://u:a@{CANARY}@h/d\n"),
    "a password in the query": project(f"database: ⟦url-with-credentials⟧'postgresql://h/d?user=u&password={CANARY}'\n"),
    "a password in the query, in code": project(f"database: ⟦url-with-credentials⟧'postgresql://h/d?pass%77ord={CANARY}'\n"),
    "the password of a key in the query": project(f"database: ⟦url-with-credentials⟧'postgresql://h/d?sslpassword={CANARY}'\n"),
    "a password in an environment": project(f"environments: {{prod: {{database: ⟦url-with-credentials⟧postgresql://u:{CANARY}@h/d}}}}\n"),
    "guards out of range": project("guards: {max_deletes: ⟦out-of-range⟧-1, max_delete_percent: ⟦out-of-range⟧101, outside: ⟦invalid-choice⟧ask}\n"),
    "a guard with a variable": project("guards: {max_deletes: ⟦wrong-type⟧'${var.x}'}\n"),
    "ignore without a reason": project("ignore: [⟦missing-field⟧{address: '*/limit/*', field: requests}]\n", says="`reason` is required"),
    "a bad date": project("ignore: [{address: '*', field: x, reason: y, until: ⟦invalid-date⟧2026-02-30}]\n"),
    "a date in words": project("ignore: [{address: '*', field: x, reason: y, until: ⟦invalid-date⟧tomorrow}]\n"),
    "defaults of an unknown kind": project("defaults: {conectors: ⟦unknown-kind⟧{timeout_seconds: 5}}\n", says="did you mean `connectors`?"),
    "defaults twice for a kind": project("defaults: {limits: {on_exceed: warn}, limit: ⟦conflicting-fields⟧{on_exceed: block}}\n"),
    "defaults of a type": project("defaults: {connectors: {type: ⟦default-discriminator⟧sql}}\n"),
    "an unknown default": project(f"defaults: {{limits: {{⟦unknown-field⟧on_exced: {CANARY}}}}}\n", says="did you mean `on_exceed`?"),
    "a default of the wrong type": project("defaults: {limits: {on_exceed: ⟦invalid-choice⟧stop}}\n"),
    "a default with a secret": project(f"defaults: {{integrations: {{credential: ⟦plaintext-secret⟧{CANARY}}}}}\n", files={"a.yaml": HEAD + "integrations: {a: {provider: openai}}\n"}),
    "a default with an unknown variable": project("defaults: {limits: {description: ⟦unknown-variable⟧'${var.x}'}}\n"),
    "an external that is no address": project("external: [⟦invalid-reference⟧shared, ⟦invalid-reference⟧acme/*, ⟦wrong-type⟧5]\n"),
    "an external of an unknown kind": project("external: [{address: ⟦invalid-reference⟧platform/conector/x}, ⟦missing-field⟧{⟦unknown-field⟧addres: x}]\n"),
    "a key file with a variable": project("secrets: {keys: ⟦no-variables⟧'${HOME}/key'}\n"),
    "a link to the outside": Case({"a.yaml": GOOD}, (), ("outside-project reconciler.yaml",), prepare=lambda folder: os.symlink("/etc/passwd", folder / "reconciler.yaml")),
}  # fmt: skip

FILES: dict[str, Case] = {
    "include without a match": project("include: [⟦include-matches-nothing⟧manifests/*.yaml]\n"),
    "include of the parent": project("include: [⟦outside-project⟧../x/*.yaml]\n"),
    "include of an absolute path": project("include: [⟦outside-project⟧/etc/*.yaml]\n"),
    "include that is no glob": project("include: [⟦invalid-glob⟧'**x/*.yaml']\n"),
    "include of too many stars": project(f"include: [⟦invalid-glob⟧'{'**/*/' * 20}*.yaml']\n"),
    "include of a number": project("include: [⟦wrong-type⟧5]\n", says="expected text"),
    "include of a map": project("include: [{⟦unknown-field⟧pth: x}]\n", also=("missing-field reconciler.yaml:2:11",)),
    "include through a link": project("include: [x/*.yaml]\n", also=("outside-project x/b.yaml",), prepare=lambda folder: os.symlink(_elsewhere(folder), folder / "x")),
    "include of what says nothing": project("include: [b.yaml]\n", files={"b.yaml": "# x\n"}, also=("no-manifest reconciler.yaml",)),
    "no manifest": Case({"reconciler.yaml": "version: 1\n"}, (), ("no-manifest reconciler.yaml",)),
    "manifests that say nothing": Case({"reconciler.yaml": "version: 1\n", "a.yaml": "# x\n"}, (), ("no-manifest reconciler.yaml",)),
    "a path that holds nothing": project("project: x\n", files={"b/x.txt": ""}, arguments=("b",), also=("no-manifest b",)),
    "a path that says nothing": project("project: x\n", files={"b.yaml": "# x\n"}, arguments=("b.yaml",), also=("no-manifest b.yaml",)),
    "a path that is missing": project("project: x\n", arguments=("c.yaml",), also=("no-such-path c.yaml",)),
    "a path that is not included": project("include: [a.yaml]\n", files={"b.yaml": GOOD}, arguments=("b.yaml",), also=("no-manifest b.yaml",)),
    "a problem in a file that was not selected": project("project: x\n", files={"b.yaml": f"{HEAD}⟦unknown-field⟧x: {CANARY}\n"}, arguments=("a.yaml",)),
    "standard input inside of a project": project("project: x\n", arguments=("--project", ".", "-"), code=64, also=("wrong-usage ",)),
    "an unknown environment": project(PROD, files={"prod/b.yaml": GOOD}, arguments=("--env", "prd"), code=64, also=("unknown-environment ",), says="did you mean prod?"),
    "an environment where there is none": project("project: x\n", arguments=("--env", "prod"), code=64, also=("unknown-environment ",)),
    "an empty path": Case({"a.yaml": GOOD}, ("",), ("wrong-usage ",), code=64, says="is a variable of your shell not set?"),
    "a project that is missing": Case({"a.yaml": GOOD}, ("--project", "x.yaml"), ("no-such-project ",), code=64),
    "two projects": Case({"a/reconciler.yaml": "version: 1\n", "b/reconciler.yaml": "version: 1\n"}, ("a", "b"), ("wrong-usage ",), code=64),
}  # fmt: skip

OVERLAYS: dict[str, Case] = {
    "a missing folder": project("environments: {prod: {overlays: [⟦missing-folder⟧prod]}}\n"),
    "a folder outside": project("environments: {prod: {overlays: [⟦outside-project⟧../prod]}}\n"),
    "an absolute folder": project("environments: {prod: {overlays: [⟦outside-project⟧/etc]}}\n"),
    "a folder behind a link": project("environments: {prod: {overlays: [⟦outside-project⟧prod]}}\n", prepare=outside),
    "the project's own folder": project("environments: {prod: {overlays: [⟦invalid-overlay⟧.]}}\n"),
    "a name without a base": prod("connectors:\n  ⟦missing-field⟧⟦no-base-resource⟧dbs: {pool_size: 9}\n", says="did you mean db?"),
    "a name without a base, far from any": prod("connectors:\n  ⟦missing-field⟧⟦no-base-resource⟧quite-another: {pool_size: 9}\n", says="write the whole resource"),
    "null of what is not there": prod("limits: {⟦no-base-resource⟧mnth: null}\n", says="did you mean month?"),
    "a name without a colon, which would be null": prod("connectors: {⟦missing-value⟧db}\n"),
    "a wrong value": prod("connectors:\n  db: {pool_size: ⟦out-of-range⟧0}\n"),
    "an unknown field": prod(f"connectors:\n  db: {{⟦unknown-field⟧pool: {CANARY}}}\n"),
    "a field that was required": prod("connectors:\n  db: {dsn: ⟦missing-field⟧null}\n"),
    "a secret": prod(f"connectors:\n  db: {{dsn: ⟦plaintext-secret⟧{CANARY}}}\n"),
    "another type that is not whole": prod("connectors:\n  ⟦missing-field⟧db: {type: http}\n"),
    "what others need is removed": project(PROD, files={"a.yaml": HEAD + CONNECTOR + "datasources:\n  sales: {type: database, connector: ⟦dangling-reference⟧db, tables: [x]}\n", "prod/b.yaml": HEAD + "connectors: {db: null}\n"}),
    "the same name twice in one layer": prod("connectors: {db: {pool_size: 9}}\n", prepare=lambda folder: (folder / "prod/c.yaml").write_text(HEAD + "connectors: {db: {pool_size: 8}}\n"), also=("duplicate-address prod/c.yaml:3:14",)),
    "a mistake in the base and another in the overlay": project(PROD, files={"a.yaml": HEAD + "limits:\n  l: {target: tenant, per: ⟦invalid-choice⟧week, requests: 1}\n", "prod/b.yaml": HEAD + "limits:\n  l: {requests: ⟦wrong-type⟧x}\n"}),
    "a mistake in one environment of two": project(
        "environments: {dev: {}, prod: {overlays: [prod]}}\n", files={"prod/b.yaml": f"{HEAD}limits: {{month: {{requests: ⟦wrong-type⟧x}}}}\n"}
    ),
}  # fmt: skip


def _elsewhere(folder: os.PathLike[str]) -> str:
    """A folder with a manifest outside of the project."""
    other = os.path.join(os.path.dirname(os.path.abspath(folder)), "elsewhere")
    os.makedirs(other, exist_ok=True)
    with open(os.path.join(other, "b.yaml"), "w") as file:
        file.write(GOOD)
    return other

"""What is no YAML, or YAML that means something else than it looks, or that means to hurt."""

from __future__ import annotations

from tests.load.bad.case import CANARY, CONNECTOR, GOOD, HEAD, Case, integration, limit, many, one, raw

SYNTAX: dict[str, Case] = {
    "unclosed single quote": raw(f"{HEAD}a: ⟦yaml-syntax⟧'x {CANARY}\nb: 1\n"),
    "unclosed double quote": raw(f'{HEAD}a: ⟦yaml-syntax⟧"{CANARY}'),
    "unclosed bracket": raw(f"{HEAD}a: [1, {CANARY}\nb⟦yaml-syntax⟧: 2\n"),
    "unclosed brace": raw(f"{HEAD}a: ⟦yaml-syntax⟧{{b: {CANARY}\n"),
    "bracket that was never opened": raw(f"{HEAD}a: ⟦yaml-syntax⟧]\n"),
    "tab as indentation": raw(f"{HEAD}limits:\n⟦tab-indentation⟧\tl: {CANARY}\n"),
    "tab inside of brackets": raw(
        f"{HEAD}limits: {{\n⟦tab-indentation⟧\tl: {{target: tenant, per: day, requests: 1}}}}\n"
    ),
    "bad indentation": raw(f"{HEAD}limits:\n    l: {{}}\n  ⟦yaml-syntax⟧m: {CANARY}\n"),
    "a map inside of a scalar": raw(f"{HEAD}a: b⟦yaml-syntax⟧: {CANARY}\n"),
    "neither a key nor a text": raw(f"{HEAD}⟦yaml-syntax⟧{CANARY}\nlimits: {{}}\n"),
    "text after a quote": raw(f"{HEAD}a: 'x' ⟦yaml-syntax⟧{CANARY}\n"),
    "unknown escape": raw(f'{HEAD}a: "{CANARY}⟦yaml-syntax⟧\\q"\n'),
    "surrogate escape": raw(f'{HEAD}a: "\\u⟦yaml-syntax⟧d800 {CANARY}"\n'),
    "text after the end of a document": raw(f"{GOOD}... ⟦yaml-syntax⟧{CANARY}\n"),
    "at sign": raw(f"{HEAD}a: ⟦yaml-syntax⟧@{CANARY}\n"),
    "backtick": raw(f"{HEAD}a: ⟦yaml-syntax⟧`{CANARY}`\n"),
    "list and map mixed": raw(f"{HEAD}a:\n - 1\n ⟦yaml-syntax⟧b: {CANARY}\n"),
    "undeclared tag handle": raw(f"{HEAD}a: ⟦yaml-syntax⟧!x!y {CANARY}\n"),
    "another version of YAML": raw(f"⟦yaml-syntax⟧%YAML 3.0\n---\n{GOOD}"),
    "windows line ends": raw(f"{HEAD}a: [1\nb⟦yaml-syntax⟧: {CANARY}\n".replace("\n", "\r\n")),
    "a merge conflict": raw(
        f"{HEAD}limits:\n⟦yaml-syntax⟧<<<<<<< HEAD\n  l: {CANARY}\n=======\n  m: x\n>>>>>>> other\n",
        says="a merge conflict",
    ),
    "binary file": raw(bytes(range(256)) * 400, "not-utf8 a.yaml:3:115"),
    "control character": raw(f"{HEAD}a: ⟦invalid-character⟧\x1b[31m{CANARY}\n"),
    "NUL": raw(f"{HEAD}a: {CANARY}⟦invalid-character⟧\0\n"),
    "C1 control character": raw(f"{HEAD}a: ⟦invalid-character⟧\x9b31m{CANARY}\n"),
    "line separator": raw(f"{HEAD}a: '⟦invalid-character⟧\u2028{CANARY}'\n"),
    "UTF-16": raw(f"{HEAD}a: {CANARY}\n".encode("utf-16"), "not-utf8 a.yaml:1:1"),
    "Latin-1": raw(f"{HEAD}a: é {CANARY}".encode("latin-1"), "not-utf8 a.yaml:3:4"),
    "surrogate bytes": raw(b"a: \xed\xa0\x80", "not-utf8 a.yaml:1:4"),
}

MEANING: dict[str, Case] = {
    "yes is no boolean": integration("enabled: ⟦wrong-type⟧yes", says="write true"),
    "no is no boolean": integration("enabled: ⟦wrong-type⟧no", says="write false"),
    "on is no boolean": integration("enabled: ⟦wrong-type⟧on", says="write true"),
    "a quoted boolean": integration('enabled: ⟦wrong-type⟧"true"', says="remove the quotes"),
    "underscores": limit("per: month, requests: ⟦wrong-type⟧50_000", says="write 50000"),
    "underscores in an amount": limit("per: month, cost_usd: ⟦underscore-number⟧50_000.50", says="write 50000.50"),
    "sexagesimal": integration("timeout_seconds: ⟦wrong-type⟧1:30", says="write 90"),
    "a unit": integration("timeout_seconds: ⟦wrong-type⟧30s", says="the plain number"),
    "a fraction": integration("timeout_seconds: ⟦wrong-type⟧1.5"),
    "a date is text": limit("per: month, requests: ⟦wrong-type⟧2024-01-01"),
    "infinity": limit("per: month, requests: 1, cost_usd: ⟦not-a-number⟧.inf"),
    "not a number": limit("per: month, requests: 1, cost_usd: ⟦not-a-number⟧.nan"),
    "a huge integer": limit(f"per: month, requests: ⟦number-range⟧{'9' * 30}"),
    "a large integer": limit("per: month, requests: ⟦out-of-range⟧9007199254740993"),
    "a huge exponent": limit("per: month, requests: 1, cost_usd: ⟦number-range⟧1e9999"),
    "a large exponent": limit("per: month, cost_usd: ⟦out-of-range⟧1e999"),
    "too many decimals": limit("per: month, cost_usd: ⟦out-of-range⟧1.0000000001"),
    "null where text is wanted": integration("description: ⟦wrong-type⟧null"),
    "a number where text is wanted": integration("description: ⟦wrong-type⟧5", says="put it in quotes"),
    "octal by 0o": integration("description: ⟦wrong-type⟧0o17"),
    "an unknown tag": integration(f"description: ⟦unknown-tag⟧!vault {CANARY}"),
    "a Python tag": integration(f"description: ⟦unknown-tag⟧!!python/object/apply:os.system ['{CANARY}']"),
    "binary by a tag": integration("description: ⟦unknown-tag⟧!!binary eA=="),
    "a tag that does not fit": integration(f"timeout_seconds: ⟦invalid-tag⟧!!int {CANARY}"),
    "duplicate top-level key": raw(f"{GOOD}⟦duplicate-key⟧tenant: {CANARY}\n", says="line 2"),
    "duplicate name": one(f"limits:\n  l: {{a: {CANARY}}}\n  ⟦duplicate-key⟧l: {{target: tenant, per: day, requests: 1}}\n"),
    "duplicate field": integration(f"models: []\n    ⟦duplicate-key⟧credential: ⟦plaintext-secret⟧{CANARY}", says="line 6"),
    "duplicate key in a nested map": integration("labels: {team: a, ⟦duplicate-key⟧team: b}"),
    "two merge keys": integration("labels: {<<: {a: b}, ⟦duplicate-key⟧<<: {c: d}}", says="one << with a list"),
    "a merge of a scalar": integration(f"labels:\n      ⟦invalid-merge⟧<<: {CANARY}"),
    "a list as a key": integration(f"labels: {{? ⟦complex-key⟧[{CANARY}] : x}}"),
    "an undefined alias": integration(f"description: ⟦undefined-alias⟧*{CANARY}"),
    "a recursive alias": integration("labels: &x {a: ⟦recursive-alias⟧*x}"),
    "an alias of another document": raw(f"{HEAD}limits: {{l: &x {{target: tenant, per: day, requests: 1}}}}\n---\n{HEAD}limits: {{m: ⟦undefined-alias⟧*x}}\n"),
}  # fmt: skip

TEN = ", ".join(["*a{last}"] * 10)
# 431 bytes: each map merges nine times the one before
MERGES = many("a{this}: &a{this} {{<<: [" + ", ".join(["*a{last}"] * 9) + "]}}\n", 9, "a0: &a0 {k: 1}\n")

BOMBS: dict[str, Case] = {
    "a million open brackets": raw("[" * 1_000_000, "too-deep a.yaml:1:65"),
    "thirty thousand nested maps": raw("{a: " * 30_000, "too-deep a.yaml:1:257"),
    "a million nested items": raw("- " * 1_000_000, "too-deep a.yaml:1:129"),
    "nested keys": raw("? " * 100_000, *(f"complex-key a.yaml:1:{3 + 2 * i}" for i in range(64)), "too-deep a.yaml:1:129"),
    "merge keys": raw(MERGES, "too-many-nodes a.yaml:6:50"),
    "billion laughs": raw(many("a{this}: &a{this} [" + TEN + "]\n", 30, "a0: &a0 [x, x]\n"), "too-many-nodes a.yaml:6:30"),
    "a chain of aliases": raw(many("a{this}: &a{this} [*a{last}]\n", 3_000, "a0: &a0 [x]\n"), "too-deep a.yaml:64:12"),
    "many tag directives": raw("%TAG !e! tag:x\n" * 100_000 + f"--- {CANARY}", "yaml-syntax a.yaml"),
    "values times tenants": raw(
        f"version: 1\n⟦too-many-nodes⟧tenants: [{', '.join(f't{i}' for i in range(300))}]\nintegrations:\n  a: {{config: &a {{x: [{'1, ' * 1_000}]}}}}\n"
        + "".join(f"  a{i}: {{config: *a}}\n" for i in range(100))
    ),
    "a very long line": raw(f"{GOOD}⟦unknown-field⟧x: {CANARY * 100_000}\n"),
    "a very long key": raw(f'{GOOD}? ⟦unknown-field⟧"{"k" * 1_000_000}"\n: {CANARY}\n'),
    "a very long text": integration(f"description: ⟦too-long⟧{'x' * 1_000_000}"),
    "a long line with many mistakes": raw(
        '{"version": 1, "tenant": "acme", "limits": {' + ", ".join(f'"l{i}": {{"target": "tenant", "per": "day", "requests": ⟦wrong-type⟧"x"}}' for i in range(300)) + "}}"
    ),
    "a mistake in each of many documents": raw(
        "---\n".join(f"version: 1\ntenant: t{i}\nlimits: {{l: {{target: tenant, per: day, requests: ⟦wrong-type⟧x}}}}\n" for i in range(300))
    ),
    "one mistake for many tenants": raw(
        f"version: 1\ntenants: [{', '.join(f't{i}' for i in range(300))}]\n"
        "limits: {l: {target: tenant, per: day, requests: ⟦wrong-type⟧x}}\n"
        "datasources: {d: {type: database, connector: ⟦dangling-reference⟧nope, tables: [x]}}\n"
        "adopt: [⟦adopt-not-declared⟧limit/nope]\n"
        "removed: [{from: ⟦removed-still-declared⟧limit/l}]\n"
    ),
    "many tables that are not listed": one(
        CONNECTOR + f"datasources:\n  d: {{type: database, connector: db, tables: [{', '.join(f'public.table_{i}' for i in range(1000))}]}}\ntemplates:\n"
        + "".join(f"  t{i}: {{type: sql, datasource: d, sql: ⟦table-not-in-datasource⟧SELECT a FROM public.tabel_{i}}}\n" for i in range(100))
    ),
    "many references that lead nowhere": one(
        "connectors:\n" + "".join(f"  connector-{i}: {{type: custom}}\n" for i in range(500)) + "datasources:\n"
        + "".join(f"  d{i}: {{type: database, connector: ⟦dangling-reference⟧konnector-{i}, tables: [x]}}\n" for i in range(500))
    ),
}  # fmt: skip

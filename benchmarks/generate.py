"""A number of resources turned into a configuration that a platform could have: every kind, many tenants, references.

    python -m benchmarks.generate FOLDER --resources 100000 --files 1000 [--unlike]

The same arguments always give the same bytes. A tenant has a hundred resources, which refer to each other as they do in
real life: templates to datasources, datasources to connectors, limits to integrations. Nine of ten SQL statements come
from a library that all tenants share, as a platform team would provide it; every tenth is a tenant's own. So of a hundred
resources 84 are the same in every tenant, 13 differ in their references to secrets and 3 in their statements. With ``--unlike``
no two resources are the same, and every tenant's own statements have names of their own.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

PER_TENANT = 100
_REGIONS = ("eu", "us", "ap", "sa")
_TEAMS = ("payments", "search", "support", "growth", "risk")
_TABLES = (
    "orders",
    "customers",
    "invoices",
    "tickets",
    "products",
    "events",
    "sessions",
    "refunds",
    "carts",
    "returns",
)
_CLASSES = ("public", "internal", "confidential", "restricted")
SHARES = {"integrations": 5, "connectors": 10, "datasources": 20, "templates": 40, "limits": 25}
"""How many of each kind a tenant has."""


def tenant_name(number: int) -> str:
    return f"tenant-{number:05}"


def _integration(i: int) -> str:
    provider, model, second = (("openai", "gpt-5", "gpt-5-mini"), ("anthropic", "claude-4", "claude-4-mini"))[i % 2]
    return (
        f"  llm-{i:02}:\n    provider: {provider}\n    credential: vault://kv/${{tenant}}/{provider}-{i}#api_key\n"
        f"    models: [{model}, {second}]\n    default_model: {second}\n    labels: {{team: {_TEAMS[i % 5]}}}\n"
    )


def _connector(i: int) -> str:
    if i < 4:
        return (
            f"  warehouse-{i:02}:\n    type: sql\n    dialect: postgresql\n"
            f"    dsn: vault://kv/${{tenant}}/warehouse-{i}#dsn\n    max_rows: {500 + i}\n"
        )
    if i < 8:
        return (
            f"  api-{i:02}:\n    type: http\n    base_url: https://api-{i}.example.com/v1\n"
            f"    auth: {{type: bearer, token: 'vault://kv/${{tenant}}/api-{i}#token'}}\n    timeout_seconds: {20 + i}\n"
        )
    if i == 8:
        return (
            "  tools-08:\n    type: mcp\n    transport: streamable_http\n    url: https://mcp.example.com/mcp\n"
            "    tools:\n      search: {risk: low}\n      refund: {risk: high, requires_approval: true}\n"
        )
    return f"  files-{i:02}:\n    type: file\n    provider: s3\n    bucket: bucket-{i}\n    region: eu-central-1\n"


def _datasource(i: int) -> str:
    lead = f"    classification: {_CLASSES[i % 4]}\n    tags: [{_TEAMS[i % 5]}, {_REGIONS[i % 4]}]\n"
    if i < 12:
        one, other = _TABLES[i % 10], _TABLES[(i + 1) % 10]
        return (
            f"  data-{i:02}:\n    type: database\n    connector: warehouse-{i % 4:02}\n"
            f"    tables: [public.{one}, public.{other}]\n{lead}"
        )
    if i < 17:
        return (
            f"  data-{i:02}:\n    type: api\n    connector: api-{4 + i % 4:02}\n    paths: [/items/*, /items]\n{lead}"
        )
    return f"  data-{i:02}:\n    type: file\n    connector: files-09\n    prefix: reports/{i}/\n{lead}"


def _template(i: int, tenant: int, unlike: bool = False) -> str:
    if i < 28:
        source = i % 12
        one, other = _TABLES[source % 10], _TABLES[(source + 1) % 10]
        own = f" AND a.tenant_number = {tenant}" if (i + tenant) % 10 == 0 else ""
        own += f" AND a.of_{tenant} = 1" if own and unlike else ""
        return (
            f"  report-{i:02}:\n    type: sql\n    datasource: data-{source:02}\n    sql: |\n"
            f"      SELECT a.id, b.name, sum(a.total) AS total\n"
            f"      FROM public.{one} a JOIN public.{other} b ON b.id = a.{other}_id\n"
            f"      WHERE a.region = :region{own} GROUP BY a.id, b.name ORDER BY total DESC LIMIT :n\n"
            f"    parameters:\n      region: {{type: string, max_length: {10 + i}}}\n"
            f"      n: {{type: integer, min: 1, max: 100, default: 10}}\n"
        )
    return (
        f"  call-{i:02}:\n    type: http\n    datasource: data-{12 + i % 5:02}\n    method: GET\n    path: /items/{{item}}\n"
        f"    parameters:\n      item: {{type: string, max_length: {20 + i}}}\n"
    )


def _limit(i: int) -> str:
    if i < 15:
        return f"  spend-{i:02}:\n    target: integration/llm-{i % 5:02}\n    per: {('day', 'month', 'hour')[i % 3]}\n    cost_usd: {100 + i}.50\n    tokens: {50000 + i}\n"
    return f"  calls-{i:02}:\n    target: template/report-{i:02}\n    per: minute\n    requests: {60 + i}\n"


def _resource(kind: str, i: int, tenant: int, unlike: bool) -> str:
    more = f"    description: number {i} of tenant {tenant}\n" if unlike else ""
    if kind == "templates":
        return _template(i, tenant, unlike) + more
    makers = {"integrations": _integration, "connectors": _connector, "datasources": _datasource, "limits": _limit}
    return makers[kind](i) + more


def _documents(tenant: int, parts: int, unlike: bool) -> Iterator[str]:
    """A tenant's resources as so many documents, which refer to each other."""
    kinds = [(kind, i) for kind, share in SHARES.items() for i in range(share)]
    size = -(-len(kinds) // parts)
    for start in range(0, len(kinds), size):
        lines, last = [f"version: 1\ntenant: {tenant_name(tenant)}\n"], ""
        for kind, i in kinds[start : start + size]:
            lines += [f"{kind}:\n"] if kind != last else []
            lines.append(_resource(kind, i, tenant, unlike))
            last = kind
        yield "".join(lines)


def generate(folder: Path, resources: int, files: int = 1000, project: str = "bench", unlike: bool = False) -> None:
    """Writes ``reconciler.yaml`` and the manifests; ``resources`` is a multiple of a hundred."""
    tenants, rest = divmod(resources, PER_TENANT)
    if rest or not tenants:
        raise ValueError(f"a tenant has {PER_TENANT} resources: ask for a multiple of that")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "reconciler.yaml").write_text(f"version: 1\nproject: {project}\n")
    parts = max(1, files // tenants)
    per_file = max(1, tenants // files)
    for first in range(0, tenants, per_file):
        numbers = range(first, min(tenants, first + per_file))
        texts = [text for number in numbers for text in _documents(number, parts, unlike)]
        groups = ["---\n".join(texts)] if parts == 1 else texts
        for part, text in enumerate(groups):
            below = folder / "manifests" / f"{first // 1000:03}"
            below.mkdir(parents=True, exist_ok=True)
            (below / f"{first:06}-{part:02}.yaml").write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--resources", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=1000, help="how many manifests, about; 1 puts everything into one")
    parser.add_argument("--unlike", action="store_true", help="no two resources are the same")
    given = parser.parse_args()
    generate(given.folder, given.resources, given.files, unlike=given.unlike)


if __name__ == "__main__":
    main()

"""What golden databases hold: three generations of one small project, which every commit could read."""

from __future__ import annotations

from base64 import b64encode

PROJECT = "shop"
KEYS = {
    "format_version": "1",
    "primary": "k-901de111",
    "keys": {"k-901de111": b64encode(b"of tests and of golden databases").decode()},
}

_BASE = """version: 1
tenant: acme
connectors:
  warehouse: {type: sql, dialect: postgresql, dsn: "vault://kv/acme/warehouse#dsn"}
datasources:
  sales: {type: database, connector: warehouse, tables: [public.orders]}
templates:
  totals:
    type: sql
    datasource: sales
    sql: SELECT sum(o.total) AS total FROM public.orders o WHERE o.region = :region
    parameters:
      region: {type: string, max_length: 20}
"""
GENERATIONS = (
    _BASE
    + """integrations:
  openai: {provider: openai, credential: "vault://kv/acme/openai#api_key", models: [gpt-5]}
  gone: {provider: mistral, credential: "vault://kv/acme/mistral#api_key"}
limits:
  month: {target: integration/openai, per: month, requests: 100}
""",
    _BASE
    + """integrations:
  openai-prod: {provider: openai, credential: "vault://kv/acme/openai#api_key", models: [gpt-5, gpt-5-mini]}
limits:
  month: {target: integration/openai-prod, per: month, requests: 200}
moved: [{from: integration/openai, to: integration/openai-prod}]
""",
    _BASE
    + """integrations:
  openai-prod: {provider: openai, credential: "vault://kv/acme/openai#api_key", models: [gpt-5, gpt-5-mini]}
  gone: {provider: mistral, credential: "vault://kv/acme/mistral#api_key", labels: {back: again}}
limits:
  month: {target: integration/openai-prod, per: month, requests: 300}
""",
)
GOVERNED = """callers:
  bot:
    roles: [analyst]
    auth: {api_key: {max_age_days: 30}}
policies:
  read: {effect: allow, subjects: {roles: [analyst]}, actions: [query], targets: {names: [template/totals]}}
"""
